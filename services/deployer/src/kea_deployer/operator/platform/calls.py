"""Calls of KEA's API, and what becomes of those that fail."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from typing import TypeVar

import grpc
from kea_core import status

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason

T = TypeVar("T")

_FINAL = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""What the same call would be answered again."""
_TAKEN = {grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.ABORTED}
"""The world is not as it was seen a moment ago; another look tells."""
_TOLD = _FINAL | _TAKEN | {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.DATA_LOSS}


class Refused(Problem):
    """KEA's API has refused a call.

    Args:
        code: gRPC's.
        reason: KEA's own word for it.
        message: KEA's own sentence.
    """

    def __init__(self, code: grpc.StatusCode, reason: str, message: str) -> None:
        super().__init__(reason, message, passing=code not in _FINAL)
        self.code = code

    @property
    def stale(self) -> bool:
        """Whether what was seen before the call was not so any more."""
        return self.code in _TAKEN


class Away(Problem):
    """KEA's API does not answer; nothing is known of what the call has done."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.API_AWAY, message, passing=True)


async def called(what: str, call: Awaitable[T]) -> T:
    """Returns a call's answer.

    Args:
        what: is called, for people.
        call: of a stub.

    Raises:
        Refused: the service says no.
        Away: it says nothing.
    """
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise problem_of(what, error) from error


async def found(what: str, call: Awaitable[T]) -> T | None:
    """Returns a call's answer, or None where what it asks for is not there.

    Raises:
        Refused: the service says no otherwise.
        Away: it says nothing.
    """
    try:
        return await called(what, call)
    except Refused as error:
        if error.code is grpc.StatusCode.NOT_FOUND:
            return None
        raise


def problem_of(what: str, error: grpc.aio.AioRpcError) -> Problem:
    """Returns what a failed call means."""
    info = status.error_info(error)
    told = f"{what}: {error.details() or error.code().name}"
    if error.code() in _TOLD:
        return Refused(error.code(), info.reason if info is not None else Reason.API_REFUSED, told)
    return Away(told)


def request_id(*parts: str) -> str:
    """Returns the id of a request that is the same whenever the same is asked for (AIP-155).

    An operator that was killed and asks again, or a second one, gets the first answer again.
    """
    return str(uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(parts)).bytes, version=4))
