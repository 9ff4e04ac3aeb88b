"""The only place that maps errors to gRPC statuses (AIP-193)."""

from __future__ import annotations

from typing import cast

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2

from kea_core import errors

DOMAIN = "kea.dev"
RETRY_SECONDS = 1
"""What callers of something unavailable are told to wait."""

MAX_MESSAGE = 4096
"""Longest message sent, in characters: it travels in headers, which peers bound."""

DETAILS_KEY = "grpc-status-details-bin"

CODES: dict[type[errors.KeaError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
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
    details: list[message.Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if isinstance(error, errors.InvalidArgument) and error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=entry.field, description=entry.description)
                    for entry in error.violations
                ]
            )
        )
    if isinstance(error, errors.FailedPrecondition):
        violation = error_details_pb2.PreconditionFailure.Violation(type=error.reason, description=str(error))
        details.append(error_details_pb2.PreconditionFailure(violations=[violation]))
    if isinstance(error, errors.Unavailable):
        delay = duration_pb2.Duration(seconds=RETRY_SECONDS)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(
        code=number_of(code_of(error)), message=str(error)[:MAX_MESSAGE], details=[_pack(detail) for detail in details]
    )


def internal() -> status_pb2.Status:
    """Returns what callers are told of errors nobody foresaw: nothing. The log has the rest."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)
    return status_pb2.Status(code=number_of(grpc.StatusCode.INTERNAL), message="internal error", details=[_pack(info)])


async def abort(context: grpc.aio.ServicerContext[object, object], status: status_pb2.Status) -> None:
    """Ends the call with a status; raises grpc.aio.AbortError."""
    code = next(code for code in grpc.StatusCode if number_of(code) == status.code)
    await context.abort(code, status.message, trailing_metadata=((DETAILS_KEY, status.SerializeToString()),))


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    """Returns the ErrorInfo that a failed call carries, or None where the peer sent none of KEA's."""
    call = cast("grpc.aio.AioRpcError", error)
    for key, value in call.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == DOMAIN:
                    return info
    return None


def _pack(detail: message.Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
