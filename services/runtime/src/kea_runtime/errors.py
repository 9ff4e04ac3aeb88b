"""What can go wrong with a call, free of any transport.

Each error has a `reason` that a client can act on; which HTTP status or gRPC code it is, each transport's table says.

- `CallError`
  - `InvalidRequest`: the payload does not fit the signature; names every field at fault
  - `NotFound`: `MethodNotFound`, `VersionNotServed`, `PathNotFound`
  - `VerbNotAllowed`, `BodyTooLarge`, `UnsupportedEncoding`
  - `Overloaded`, `Draining`
  - `ModelFailed`, `OutputInvalid`, `OutputNotRepresentable`
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

Path = tuple[str | int, ...]
"""Where in a payload something is: property names and indices."""

MAX_VIOLATIONS = 16
"""As many as one answer names; a wrong batch of a million rows has one cause, not a million."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a payload does not fit: what is there, and what was expected."""

    path: Path
    detail: str
    expected: str = ""


class CallError(Exception):
    """A call that cannot be answered with a result. The text may be shown to the caller."""

    reason: ClassVar[str] = "INTERNAL"


class InvalidRequest(CallError):
    """The payload does not fit what the method takes.

    Args:
        violations: at least one; the first `MAX_VIOLATIONS` are kept.
    """

    reason = "INVALID_ARGUMENT"

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations: tuple[Violation, ...] = tuple(violations)[:MAX_VIOLATIONS]
        super().__init__("; ".join(_sentence(violation) for violation in self.violations))


class NotFound(CallError):
    """What the address names does not exist here."""

    reason = "NOT_FOUND"


class PathNotFound(NotFound):
    """No protocol answers at this path."""

    reason = "PATH_NOT_FOUND"

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing is served at {path}")


class MethodNotFound(NotFound):
    """The model has no such method."""

    reason = "METHOD_NOT_FOUND"

    def __init__(self, method: str, known: Sequence[str]) -> None:
        asked = f"no method {method!r}" if method else "no default method: name one"
        super().__init__(f"the model has {asked}; its methods are {', '.join(known)}")


class VersionNotServed(NotFound):
    """Another version than the one asked for is served here."""

    reason = "VERSION_NOT_FOUND"

    def __init__(self, version: str, served: int) -> None:
        super().__init__(f"version {version!r} is not served here; version {served} is")


class VerbNotAllowed(CallError):
    """The address exists, but not for this HTTP verb."""

    reason = "METHOD_NOT_ALLOWED"

    def __init__(self, verb: str, allowed: str) -> None:
        super().__init__(f"{verb} is not allowed here; use {allowed}")
        self.allowed = allowed


class BodyTooLarge(CallError):
    """The body, as sent or decompressed, is larger than the limit."""

    reason = "BODY_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request body is larger than {limit} bytes")


class UnsupportedEncoding(CallError):
    """The body is compressed in a way that is not understood."""

    reason = "UNSUPPORTED_CONTENT_ENCODING"

    def __init__(self, encoding: str) -> None:
        super().__init__(f"content-encoding {encoding!r} is not supported; use gzip, deflate or identity")


class Overloaded(CallError):
    """Too many calls wait already. Trying again later, or another replica, may help."""

    reason = "OVERLOADED"

    def __init__(self) -> None:
        super().__init__("too many calls are waiting for the model")


class Draining(CallError):
    """The process is on its way out and takes no new calls."""

    reason = "SHUTTING_DOWN"

    def __init__(self) -> None:
        super().__init__("the model server is shutting down")


class ModelFailed(CallError):
    """The model raised. The cause is for the log; callers get the request's id and no more."""

    reason = "MODEL_ERROR"

    def __init__(self) -> None:
        super().__init__("the model failed")


class OutputInvalid(CallError):
    """The model gave something else than its signature says. The text is for the log, as with `ModelFailed`."""

    reason = "MODEL_OUTPUT_INVALID"


class OutputNotRepresentable(CallError):
    """The result is right but the protocol cannot carry it: JSON has neither NaN nor infinity nor bytes."""

    reason = "OUTPUT_NOT_REPRESENTABLE"


def _sentence(violation: Violation) -> str:
    where = pointer(violation.path)
    text = f"{where}: {violation.detail}" if where else violation.detail
    return f"{text}; expected {violation.expected}" if violation.expected else text


def pointer(path: Path) -> str:
    """Returns the JSON pointer (RFC 6901) to a place."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def invalid(path: Path, detail: str, expected: str = "") -> InvalidRequest:
    """Returns the error for a single place."""
    return InvalidRequest((Violation(path, detail, expected),))
