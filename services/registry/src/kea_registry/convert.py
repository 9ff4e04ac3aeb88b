"""Domain objects as messages, and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from google.protobuf import timestamp_pb2
from kea.registry.v1 import model_pb2, model_service_pb2, model_version_pb2, model_version_service_pb2
from kea_core.errors import FieldOutOfBounds, FieldViolation, UpdateMaskInvalid
from kea_core.resource_name import parse_name
from kea_core.validation import name_expression, resource_pattern
from kea_openapi.convert import from_proto as signature_from_proto
from kea_openapi.convert import to_proto as signature_to_proto
from kea_openapi.signature import Signature, SignatureError

from kea_registry.domain.errors import SignatureInvalid
from kea_registry.domain.model import CHANGEABLE, Model, ModelKey
from kea_registry.domain.model_version import Framework, ModelVersion, VersionKey
from kea_registry.domain.ports import Once, VersionChange
from kea_registry.domain.upload import UploadHeader

FRAMEWORKS = {
    Framework.SKLEARN: model_version_pb2.FRAMEWORK_SKLEARN,
    Framework.ONNX: model_version_pb2.FRAMEWORK_ONNX,
    Framework.PYTHON: model_version_pb2.FRAMEWORK_PYTHON,
}


def time_to_proto(time: datetime) -> timestamp_pb2.Timestamp:
    """Returns a moment as a message."""
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def time_from_proto(message: timestamp_pb2.Timestamp) -> datetime:
    """Returns the moment of a message, to the microsecond."""
    return message.ToDatetime(tzinfo=UTC)


def model_key(name: str, field: str = "name") -> ModelKey:
    """Returns the model that a name stands for.

    Raises:
        FieldOutOfBounds: it is not a model's name; validation lets fields through that identify a message.
    """
    pattern = resource_pattern("kea.dev/Model")
    if not re.fullmatch(name_expression(pattern), name):
        raise FieldOutOfBounds([FieldViolation(field, f"is {name[:100]!r}; expected {pattern}")])
    return ModelKey(*parse_name(name, "projects", "models"))


def version_place(name: str) -> tuple[ModelKey, str]:
    """Returns the model and the number, alias or `latest` that the name of a version stands for."""
    project, model, version = parse_name(name, "projects", "models", "versions")
    return ModelKey(project, model), version


def version_key(name: str) -> VersionKey:
    """Returns the version that a name with a number stands for."""
    model, number = version_place(name)
    return VersionKey(model, int(number))


def model_to_proto(model: Model) -> model_pb2.Model:
    """Returns a model as a message."""
    return model_pb2.Model(
        name=model.key.name,
        display_name=model.display_name,
        description=model.description,
        aliases=model.aliases,
        latest_version=model.latest_version,
        create_time=time_to_proto(model.create_time),
        update_time=time_to_proto(model.update_time),
        etag=model.etag,
        managed_by=model.managed_by,
    )


def model_changes(request: model_service_pb2.UpdateModelRequest) -> dict[str, str]:
    """Returns the fields that an update changes.

    Raises:
        UpdateMaskInvalid: the mask names a field that cannot be changed.
    """
    for path in request.update_mask.paths:
        if path not in CHANGEABLE:
            raise UpdateMaskInvalid(path, CHANGEABLE)
    values = {name: str(getattr(request.model, name)) for name in CHANGEABLE}
    if request.update_mask.paths:
        return {name: values[name] for name in request.update_mask.paths}
    return {name: value for name, value in values.items() if value}


def version_to_proto(version: ModelVersion) -> model_version_pb2.ModelVersion:
    """Returns a version as a message."""
    return model_version_pb2.ModelVersion(
        name=version.key.name,
        number=version.key.number,
        framework=FRAMEWORKS[version.framework],
        entrypoint=version.entrypoint,
        signature=signature_to_proto(version.signature),
        requirements=version.requirements,
        description=version.description,
        sha256=version.sha256,
        size_bytes=version.size_bytes,
        create_time=time_to_proto(version.create_time),
        creator=version.creator,
    )


def version_from_proto(message: model_version_pb2.ModelVersion) -> ModelVersion:
    """Returns the version that `version_to_proto` made a message of."""
    return ModelVersion(
        key=version_key(message.name),
        framework=framework_from_proto(message.framework),
        entrypoint=message.entrypoint,
        signature=signature_from_proto(message.signature),
        requirements=tuple(message.requirements),
        description=message.description,
        sha256=message.sha256,
        size_bytes=message.size_bytes,
        create_time=time_from_proto(message.create_time),
        creator=message.creator,
    )


def framework_from_proto(number: int) -> Framework:
    """Returns a framework.

    Raises:
        FieldOutOfBounds: this release knows none of that number.
    """
    for framework, known in FRAMEWORKS.items():
        if known == number:
            return framework
    description = f"is {number}; expected any of {', '.join(Framework)}"
    raise FieldOutOfBounds([FieldViolation("header.model_version.framework", description)])


def header_from_proto(
    message: model_version_service_pb2.UploadModelVersionHeader, digest: str, creator: str
) -> UploadHeader:
    """Returns what is said of an upload.

    Raises:
        FieldOutOfBounds: the framework is not known.
        SignatureInvalid: the signature cannot be used.
    """
    version = message.model_version
    signature: Signature | None = None
    if version.HasField("signature"):
        try:
            signature = signature_from_proto(version.signature)
        except SignatureError as error:
            raise SignatureInvalid(str(error)) from error
    return UploadHeader(
        model=model_key(message.parent, "header.parent"),
        framework=framework_from_proto(version.framework),
        entrypoint=version.entrypoint,
        signature=signature,
        requirements=tuple(version.requirements),
        description=version.description,
        sha256=version.sha256,
        number=message.version,
        require_model=message.require_model,
        dry=message.validate_only,
        creator=creator,
        once=Once(message.request_id, digest),
    )


def change_to_proto(change: VersionChange) -> model_version_service_pb2.WatchModelVersionsResponse:
    """Returns a change of versions as a message."""
    message = model_version_service_pb2.WatchModelVersionsResponse(revision=change.revision)
    if change.upserted is not None:
        message.upserted.CopyFrom(version_to_proto(change.upserted))
    if change.deleted is not None:
        message.deleted = change.deleted.name
    return message
