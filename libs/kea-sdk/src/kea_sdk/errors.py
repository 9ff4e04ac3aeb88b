"""What can go wrong for someone who uses KEA, each with one clear line.

KeaClientError
├── InvalidArgument      the request can never succeed as it is; `violations` name the fields
│   ├── PackagingError   what is pushed cannot be understood
│   └── SettingsError    the client's own settings are wrong
├── NotFound             what it names is not there
├── AlreadyExists        what it would make is there
├── FailedPrecondition   the state of things does not allow it
│   ├── BuildFailed      there is no image
│   └── DeploymentFailed the model did not come up; `logs` has its last lines
├── Aborted              someone else was quicker (stale etag)
├── PermissionDenied     known, but not allowed
├── Unauthenticated      not known
├── ResourceExhausted    a bound is reached
├── Unavailable          try again later
│   └── Unreachable      nothing answers at the address at all
└── DeadlineExceeded     took longer than it may
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class KeaClientError(Exception):
    """The root; by itself, what KEA's makers did not foresee.

    Args:
        message: one sentence for a person.
        reason: stable UPPER_SNAKE_CASE word to act on.
        metadata: the changing parts of the message, by name.
    """

    default_reason = "INTERNAL"

    def __init__(self, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reason = reason or self.default_reason
        self.metadata = dict(metadata or {})


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One place of a request that is wrong."""

    field: str
    """Dotted path, or for inference a JSON pointer."""
    description: str
    """What was found and what was expected."""


class InvalidArgument(KeaClientError):
    """The request can never succeed as it is."""

    default_reason = "INVALID_ARGUMENT"

    def __init__(
        self,
        message: str,
        *,
        violations: Sequence[FieldViolation] = (),
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.violations = tuple(violations)


class PackagingError(InvalidArgument):
    """What is pushed is no model, or not enough is known of it."""

    default_reason = "MODEL_NOT_UNDERSTOOD"


class SettingsError(InvalidArgument):
    """The client's settings are wrong."""

    default_reason = "SETTINGS_INVALID"


class NotFound(KeaClientError):
    """What the request names is not there."""

    default_reason = "NOT_FOUND"


class AlreadyExists(KeaClientError):
    """What the request would make is there already."""

    default_reason = "ALREADY_EXISTS"


class FailedPrecondition(KeaClientError):
    """The state of things does not allow it; changing that state first may help."""

    default_reason = "FAILED_PRECONDITION"


class BuildFailed(FailedPrecondition):
    """A build has made no image. The reason is the build's own, or `BUILD_CANCELLED`; its log tells more."""

    default_reason = "BUILD_FAILED"


class DeploymentFailed(FailedPrecondition):
    """A model version did not come up. What served before goes on serving."""

    default_reason = "DEPLOYMENT_FAILED"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        logs: Sequence[str] = (),
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.logs = tuple(logs)
        """The last lines its replicas wrote, oldest first."""


class Aborted(KeaClientError):
    """Someone else was quicker; read again and retry."""

    default_reason = "ABORTED"


class PermissionDenied(KeaClientError):
    """The caller is known, but not allowed."""

    default_reason = "PERMISSION_DENIED"


class Unauthenticated(KeaClientError):
    """The caller is not known: there is no token, or it is not accepted."""

    default_reason = "UNAUTHENTICATED"


class ResourceExhausted(KeaClientError):
    """A bound is reached."""

    default_reason = "RESOURCE_EXHAUSTED"


class Unavailable(KeaClientError):
    """Something needed does not answer now; retrying later may help."""

    default_reason = "UNAVAILABLE"


class Unreachable(Unavailable):
    """Nothing answers at KEA's address."""

    default_reason = "UNREACHABLE"

    def __init__(self, url: str, *, local: bool = True) -> None:
        hint = "is it running? start it with `kea up`" if local else "is this its address?"
        super().__init__(f"KEA does not answer at {url}; {hint}", metadata={"url": url})


class DeadlineExceeded(KeaClientError):
    """It took longer than it may; whether it was done is not known."""

    default_reason = "DEADLINE_EXCEEDED"
