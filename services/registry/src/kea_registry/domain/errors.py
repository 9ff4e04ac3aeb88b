"""What can go wrong in the registry."""

from __future__ import annotations

from collections.abc import Sequence

from kea_core.errors import (
    Aborted,
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)


class ModelNotFound(NotFound):
    """There is no such model."""

    reason = "MODEL_NOT_FOUND"

    def __init__(self, model: str) -> None:
        super().__init__(f"there is no model {model}", model=model)


class ModelExists(AlreadyExists):
    """There is such a model already."""

    reason = "MODEL_EXISTS"

    def __init__(self, model: str) -> None:
        super().__init__(f"there is a model {model} already", model=model)


class ModelHasVersions(FailedPrecondition):
    """The model has versions, and their deletion was not asked for."""

    reason = "MODEL_HAS_VERSIONS"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} has versions; delete them first, or all at once with force", model=model)


class ModelAliasNotFound(NotFound):
    """The model has no such alias."""

    reason = "MODEL_ALIAS_NOT_FOUND"

    def __init__(self, model: str, alias: str) -> None:
        super().__init__(f"{model} has no alias {alias!r}", model=model, alias=alias)


class AliasReserved(InvalidArgument):
    """The alias means something of its own."""

    reason = "ALIAS_RESERVED"

    def __init__(self, alias: str) -> None:
        description = f"is {alias!r}, which is reserved"
        super().__init__(f"alias {description}", violations=[FieldViolation("alias", description)], alias=alias)


class ModelVersionNotFound(NotFound):
    """The model exists; this version of it does not."""

    reason = "MODEL_VERSION_NOT_FOUND"

    def __init__(self, model: str, version: str) -> None:
        super().__init__(f"{model} has no version {version}", model=model, version=version)


class ModelVersionExists(AlreadyExists):
    """The number is taken."""

    reason = "MODEL_VERSION_EXISTS"

    def __init__(self, model: str, version: int) -> None:
        super().__init__(f"{model} has a version {version} already", model=model, version=str(version))


class ModelVersionOutOfOrder(FailedPrecondition):
    """The number is not the next."""

    reason = "MODEL_VERSION_OUT_OF_ORDER"

    def __init__(self, model: str, version: int, following: int) -> None:
        super().__init__(
            f"the next version of {model} is {following}, not {version}",
            model=model,
            version=str(version),
            next=str(following),
        )


class ModelVersionAliased(FailedPrecondition):
    """An alias stands for the version."""

    reason = "MODEL_VERSION_ALIASED"

    def __init__(self, model: str, version: int, aliases: Sequence[str]) -> None:
        names = ", ".join(sorted(aliases))
        super().__init__(
            f"version {version} of {model} is what these aliases stand for: {names}",
            model=model,
            version=str(version),
            aliases=names,
        )


class UploadMalformed(InvalidArgument):
    """The messages of an upload are not a header and then chunks."""

    reason = "UPLOAD_MALFORMED"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the upload is malformed: {problem}", problem=problem)


class ChecksumMismatch(InvalidArgument):
    """What arrived is not what the header announced."""

    reason = "CHECKSUM_MISMATCH"

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(
            f"the archive's SHA-256 is {actual}, not {expected}",
            violations=[FieldViolation("header.model_version.sha256", f"is {expected}; the archive has {actual}")],
            expected=expected,
            actual=actual,
        )


class ArchiveInvalid(InvalidArgument):
    """The archive is not a tar that can be unpacked safely, or lacks the entrypoint."""

    reason = "ARCHIVE_INVALID"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the archive is not valid: {problem}", problem=problem)


class SignatureInvalid(InvalidArgument):
    """The signature is missing, or cannot be used."""

    reason = "SIGNATURE_INVALID"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the signature is not valid: {problem}",
            violations=[FieldViolation("header.model_version.signature", problem)],
            problem=problem,
        )


class RequirementsInvalid(InvalidArgument):
    """Lines of the requirements are not PEP 508."""

    reason = "REQUIREMENTS_INVALID"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        first = violations[0]
        super().__init__(
            f"{len(violations)} requirements are not valid, first {first.field}: {first.description}",
            violations=violations,
            count=str(len(violations)),
            field=first.field,
        )


class ArtifactTooLarge(ResourceExhausted):
    """The archive is larger than this registry takes."""

    reason = "ARTIFACT_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the archive is larger than {limit} bytes", limit=str(limit))


class ArtifactCorrupt(DataLoss):
    """The stored archive is not what was uploaded."""

    reason = "ARTIFACT_CORRUPT"

    def __init__(self, sha256: str, problem: str) -> None:
        super().__init__(f"the stored archive {sha256} is damaged: {problem}", sha256=sha256, problem=problem)


class ArtifactStoreUnavailable(Unavailable):
    """The place where archives are kept does not answer as it should."""

    reason = "ARTIFACT_STORE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("archives can be neither written nor read now; try again")


class UploadExpired(Aborted):
    """The upload took so long that it was taken for dead."""

    reason = "UPLOAD_EXPIRED"

    def __init__(self) -> None:
        super().__init__("the upload stood still for too long and was swept away; upload again")


class RequestRaced(Aborted):
    """The same request is being done in the same moment."""

    reason = "REQUEST_RACED"

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request {request_id} is being done now; try again", request_id=request_id)
