"""What can go wrong, in words of the domain. No transport is known here; `kea_core.status` maps kinds to gRPC codes.

KeaError
├── InvalidArgument      the request can never succeed as it is
├── NotFound             what it names is not there
├── AlreadyExists        what it would make is there
├── FailedPrecondition   the state of things does not allow it
├── Aborted              someone else was quicker (stale etag)
├── Cancelled            somebody asked that it should not be done
├── OutOfRange           beyond what is kept
├── PermissionDenied     known, but not allowed
├── Unauthenticated      not known
├── ResourceExhausted    a bound is reached
├── Unavailable          try again later
├── Unimplemented        it is not offered
└── DataLoss             what is stored is damaged
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class KeaError(Exception):
    """The root. A subclass sets `reason`, an UPPER_SNAKE_CASE word that clients may act on and that never changes.

    Args:
        message: one sentence for a person.
        **metadata: every changing part of the message, by name, for programs (AIP-193).
    """

    reason: str = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.metadata = metadata


class NotFound(KeaError):
    """What the request names is not there."""


class AlreadyExists(KeaError):
    """What the request would make is there already."""


class FailedPrecondition(KeaError):
    """The state of things does not allow it; changing that state first may help."""


class Aborted(KeaError):
    """Someone else was quicker; read again and retry."""


class Cancelled(KeaError):
    """Somebody asked that it should not be done."""


class OutOfRange(KeaError):
    """Beyond what is kept."""


class PermissionDenied(KeaError):
    """The caller is known, but not allowed."""


class Unauthenticated(KeaError):
    """The caller is not known."""


class ResourceExhausted(KeaError):
    """A bound is reached."""


class Unavailable(KeaError):
    """Something needed does not answer now; retrying later may help."""


class Unimplemented(KeaError):
    """It is not offered."""


class DataLoss(KeaError):
    """What is stored is damaged."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that is wrong."""

    field: str
    """Dotted path in the request, for example `model.display_name`."""
    description: str
    """What was wrong and what was expected."""


class InvalidArgument(KeaError):
    """The request can never succeed as it is. `violations` name the fields."""

    reason = "INVALID_ARGUMENT"

    def __init__(self, message: str, *, violations: Sequence[FieldViolation] = (), **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.violations = tuple(violations)


class FieldOutOfBounds(InvalidArgument):
    """One or more fields are outside the bounds that the proto states."""

    reason = "FIELD_OUT_OF_BOUNDS"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        first = violations[0]
        super().__init__(f"{first.field}: {first.description}", violations=violations, field=first.field)


class UpdateMaskInvalid(InvalidArgument):
    """An update mask names a field that is not there or cannot be changed."""

    reason = "UPDATE_MASK_INVALID"

    def __init__(self, path: str, allowed: Sequence[str]) -> None:
        description = f"{path!r} cannot be changed; expected any of {', '.join(sorted(allowed))}"
        violations = [FieldViolation("update_mask", description)]
        super().__init__(f"update_mask: {description}", violations=violations, path=path)


class PageTokenInvalid(InvalidArgument):
    """A page token was not made by this listing."""

    reason = "PAGE_TOKEN_INVALID"

    def __init__(self) -> None:
        description = "is not a token this listing made; expected `next_page_token` of a page before, or nothing"
        super().__init__(f"page_token {description}", violations=[FieldViolation("page_token", description)])


class RequestIdReused(InvalidArgument):
    """A request id was used before, for another request."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        description = "was used for another request; expected a new UUID4 for each new request"
        violations = [FieldViolation("request_id", description)]
        super().__init__(f"request_id {request_id!r} {description}", violations=violations, request_id=request_id)


class EtagMismatch(Aborted):
    """The resource has changed since the caller read it (AIP-154)."""

    reason = "ETAG_MISMATCH"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has changed since it was read; read it again and retry", name=name)


class RevisionExpired(OutOfRange):
    """Changes after that revision are no longer all kept: watch from 0."""

    reason = "REVISION_EXPIRED"

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(
            f"changes after revision {revision} are no longer kept, the oldest is {oldest}; watch from 0",
            revision=str(revision),
            oldest=str(oldest),
        )


class TokenMissing(Unauthenticated):
    """No bearer token was sent."""

    reason = "TOKEN_MISSING"

    def __init__(self) -> None:
        super().__init__("a token is needed; expected metadata `authorization: Bearer <token>`")


class TokenInvalid(Unauthenticated):
    """The token is malformed, expired, or signed by no key known here."""

    reason = "TOKEN_INVALID"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the token is not accepted: {problem}", problem=problem)


class PermissionMissing(PermissionDenied):
    """No binding gives the caller the permission there, or its token's scopes take it away."""

    reason = "PERMISSION_MISSING"

    def __init__(self, permission: str, subject: str, resource: str = "") -> None:
        where = f" on {resource}" if resource else ""
        message = f"{subject} lacks permission {permission}{where}"
        super().__init__(message, permission=permission, subject=subject, resource=resource)


class ServiceUnavailable(Unavailable):
    """Another service that is needed does not answer."""

    reason = "SERVICE_UNAVAILABLE"

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} does not answer; try again", service=service)
