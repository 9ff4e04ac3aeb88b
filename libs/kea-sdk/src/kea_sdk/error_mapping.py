"""The only place that rebuilds errors from what came over the wire; `http_error_mapping` does so for HTTP.

The class follows from the `reason`, looked up here, else from the status: never from a name that the peer sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from kea_sdk.address import is_loopback
from kea_sdk.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    DeploymentFailed,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    KeaClientError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unreachable,
)

DOMAIN = "kea.dev"
DETAILS_KEY = "grpc-status-details-bin"

CODES: Mapping[grpc.StatusCode, type[KeaClientError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNIMPLEMENTED: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}

REASONS: Mapping[str, type[KeaClientError]] = {
    "MODEL_LOAD_FAILED": DeploymentFailed,
    "ENVIRONMENT_FAILED": DeploymentFailed,
    "ARTIFACT_FAILED": DeploymentFailed,
}
"""Reasons that have a class of their own. All others get the class of their status."""

_NOT_CONNECTED = ("failed to connect", "connection refused", "dns resolution failed", "no such file or directory")
_NOT_TRUSTED = ("certificate", "ssl", "tls")
"""Something listens, but the two sides do not come to an encrypted connection."""


def from_rpc(error: grpc.RpcError, url: str) -> KeaClientError:
    """Returns a failed gRPC call as an error of ours."""
    call = cast("grpc.Call", error)
    code = call.code()
    text = str(call.details() or "").strip()
    for key, value in cast("Sequence[tuple[str, str | bytes]]", call.trailing_metadata() or ()):
        if key == DETAILS_KEY and isinstance(value, bytes):
            with contextlib.suppress(DecodeError):  # whatever stands between may answer too
                return from_status(status_pb2.Status.FromString(value))
    if code is grpc.StatusCode.UNAVAILABLE and any(sign in text.lower() for sign in _NOT_CONNECTED):
        return not_connected(text, url)
    return made(CODES.get(code, KeaClientError), text or _sentence_of(code), "")


def from_status(status: status_pb2.Status) -> KeaClientError:
    """Returns a status, of a call or of a long-running operation, as an error of ours."""
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    reason = ""
    metadata: Mapping[str, str] = {}
    violations: list[FieldViolation] = []
    for detail in status.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            violations = [FieldViolation(entry.field, entry.description) for entry in bad.field_violations]
    code = next((code for code in grpc.StatusCode if _number(code) == status.code), grpc.StatusCode.UNKNOWN)
    kind = REASONS.get(reason) or CODES.get(code, KeaClientError)
    return made(kind, status.message or _sentence_of(code), reason, metadata, violations)


def not_connected(text: str, url: str) -> KeaClientError:
    """Returns the error for an address where nothing listens, or nothing that is trusted."""
    if url.startswith("https:") and any(sign in text.lower() for sign in _NOT_TRUSTED):
        return made(Unavailable, f"no trusted connection to {url}: {text}", "TLS_FAILED")
    return Unreachable(url, local=is_loopback(url))


def made(
    kind: type[KeaClientError],
    text: str,
    reason: str,
    metadata: Mapping[str, str] | None = None,
    violations: Sequence[FieldViolation] = (),
) -> KeaClientError:
    """Returns an error of that kind, its text in one line."""
    message = " ".join(text.split())  # one line, whatever the peer sent
    if issubclass(kind, InvalidArgument):
        return kind(message, violations=violations, reason=reason, metadata=metadata)
    return kind(message, reason=reason, metadata=metadata)


def _number(code: grpc.StatusCode) -> int:
    return cast("tuple[int, str]", code.value)[0]


def _sentence_of(code: grpc.StatusCode) -> str:
    return cast("tuple[int, str]", code.value)[1]
