"""The only place that maps errors to gRPC statuses (AIP-193)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import cast

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2

from kea_core import errors

DOMAIN = "kea.dev"
RETRY_SECONDS = 1
"""What callers of something unavailable are told to wait."""

MAX_MESSAGE = 4096
"""Longest message, in characters."""

MAX_SENT_MESSAGE = 1024
"""Longest message of a call, in bytes as gRPC writes them. Message and details travel in headers, the message in both,
and a gRPC client takes no more than 8 KiB: what is longer reaches it as RESOURCE_EXHAUSTED, whatever had happened."""

MAX_DETAILS = 3072
"""Most bytes of all details: violations beyond them are left out."""

MAX_METADATA_VALUE = 256
"""Longest value of ErrorInfo's metadata, in bytes."""

MAX_DESCRIPTION = 512
"""Longest description of one violation, in bytes."""

DETAILS_KEY = "grpc-status-details-bin"

SPACE, PERCENT, TILDE = b" %~"
MOST_BYTES_SENT = 12
"""Of one character: four bytes, each percent-encoded."""

CODES: dict[type[errors.KeaError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.Cancelled: grpc.StatusCode.CANCELLED,
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    errors.DataLoss: grpc.StatusCode.DATA_LOSS,
    errors.KeaError: grpc.StatusCode.INTERNAL,
}


def code_of(error: errors.KeaError) -> grpc.StatusCode:
    """Returns the gRPC code of an error, by its nearest kind."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def number_of(code: grpc.StatusCode) -> int:
    """Returns a code's number on the wire."""
    return cast("tuple[int, str]", code.value)[0]


def to_status(error: errors.KeaError) -> status_pb2.Status:
    """Returns the error as google.rpc.Status: always with ErrorInfo, and the details its kind calls for."""
    metadata = {name: _cut(value, MAX_METADATA_VALUE) for name, value in error.metadata.items()}
    details: list[message.Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    ]
    if isinstance(error, errors.InvalidArgument) and error.violations:
        details.append(_bad_request(error.violations, MAX_DETAILS - details[0].ByteSize()))
    if isinstance(error, errors.FailedPrecondition):
        description = _cut(str(error), MAX_DESCRIPTION)
        violation = error_details_pb2.PreconditionFailure.Violation(type=error.reason, description=description)
        details.append(error_details_pb2.PreconditionFailure(violations=[violation]))
    if isinstance(error, errors.Unavailable):
        delay = duration_pb2.Duration(seconds=RETRY_SECONDS)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    text = _cut(str(error), MAX_MESSAGE, len)
    return status_pb2.Status(
        code=number_of(code_of(error)), message=text, details=[_pack(detail) for detail in details]
    )


def internal() -> status_pb2.Status:
    """Returns what callers are told of errors nobody foresaw: nothing. The log has the rest."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)
    return status_pb2.Status(code=number_of(grpc.StatusCode.INTERNAL), message="internal error", details=[_pack(info)])


async def abort(context: grpc.aio.ServicerContext[object, object], status: status_pb2.Status) -> None:
    """Ends the call with a status; raises grpc.aio.AbortError."""
    code = next(code for code in grpc.StatusCode if number_of(code) == status.code)
    text = _cut(status.message, MAX_SENT_MESSAGE, _as_sent)
    sent = status_pb2.Status(code=status.code, message=text, details=status.details)
    await context.abort(code, text, trailing_metadata=((DETAILS_KEY, sent.SerializeToString()),))


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    """Returns the ErrorInfo that a failed call carries, or None where the peer sent none of KEA's."""
    call = cast("grpc.aio.AioRpcError", error)
    for key, value in call.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            with contextlib.suppress(message.DecodeError):
                return _own_info(status_pb2.Status.FromString(value))
    return None


def _own_info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo | None:
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            return info
    return None


def _bad_request(violations: Sequence[errors.FieldViolation], room: int) -> error_details_pb2.BadRequest:
    """Returns as many violations as fit into `room` bytes."""
    made = error_details_pb2.BadRequest()
    for entry in violations:
        made.field_violations.add(field=entry.field, description=_cut(entry.description, MAX_DESCRIPTION))
        if made.ByteSize() > room:
            del made.field_violations[-1]
            break
    return made


def _cut(text: str, most: int, size: Callable[[str], int] = lambda text: len(text.encode())) -> str:
    """Returns the text, or as much of its beginning as fits into `most` bytes with an ellipsis."""
    text = text.encode(errors="replace").decode()  # names of files may hold what no message can
    if size(text) <= most:
        return text
    ellipsis = "…"
    room = most - size(ellipsis)
    kept = text[:room]
    while size(kept) > room:
        kept = kept[: len(kept) - max(1, (size(kept) - room) // MOST_BYTES_SENT)]
    return kept + ellipsis


def _as_sent(text: str) -> int:
    """Returns the bytes of a message as gRPC writes it: percent-encoded."""
    return sum(1 if SPACE <= byte <= TILDE and byte != PERCENT else 3 for byte in text.encode())


def _pack(detail: message.Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
