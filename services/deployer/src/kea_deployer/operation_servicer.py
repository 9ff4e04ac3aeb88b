"""`google.longrunning.Operations`: between the protos and the use cases, nothing else."""

from __future__ import annotations

import re
from typing import cast

from google.protobuf import empty_pb2
from kea.longrunning.v1 import operations_pb2_grpc
from kea_core.interceptors import Context
from kea_core.operations import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    ListOperationsResponse,
    Operation,
    WaitOperationRequest,
)
from kea_core.pages import page_token, read_page
from kea_core.validation import RESOURCE_ID

from kea_deployer.build_convert import build_operation_to_proto
from kea_deployer.convert import operation_to_proto
from kea_deployer.domain.build import Build
from kea_deployer.domain.errors import OperationFilterUnsupported, OperationNotFound, OperationParentInvalid
from kea_deployer.domain.operations import Entry, Operations

MAX_WAIT_SECONDS = 600.0
PARENT = re.compile(rf"projects/({RESOURCE_ID})")
NAME = re.compile(rf"projects/{RESOURCE_ID}/operations/[0-9a-f-]{{36}}")


class OperationServicer(operations_pb2_grpc.OperationsServicer):
    """Serves operations. Google's protos carry no bounds of KEA's, so names are checked here."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def GetOperation(self, request: GetOperationRequest, context: Context) -> Operation:
        """Returns one operation."""
        del context
        return _message(await self._operations.get(_name(request.name)))

    async def ListOperations(self, request: ListOperationsRequest, context: Context) -> ListOperationsResponse:
        """Lists a project's operations."""
        del context
        parent = PARENT.fullmatch(request.name)
        if parent is None:
            raise OperationParentInvalid(request.name[:100])
        if request.filter:
            raise OperationFilterUnsupported
        listing = f"operations of {request.name}"
        page = read_page(listing, max(request.page_size, 0), request.page_token)
        found, more = await self._operations.list(parent.group(1), page)
        messages = [_message(entry) for entry in found]
        return ListOperationsResponse(
            operations=messages,
            next_page_token=page_token(listing, messages[-1].name) if more else "",
        )

    async def WaitOperation(self, request: WaitOperationRequest, context: Context) -> Operation:
        """Returns an operation when it is done, or has come to another step, or the time is over."""
        seconds = request.timeout.seconds + request.timeout.nanos / 1e9
        if not request.HasField("timeout"):
            seconds = MAX_WAIT_SECONDS
        left = cast("float | None", context.time_remaining())  # None, against grpc's types, where there is no deadline
        if left is not None:
            seconds = min(seconds, left * 0.9)  # an answer that comes after the deadline is none
        return _message(await self._operations.wait(_name(request.name), min(seconds, MAX_WAIT_SECONDS)))

    async def DeleteOperation(self, request: DeleteOperationRequest, context: Context) -> empty_pb2.Empty:
        """Forgets an operation that has ended."""
        del context
        await self._operations.delete(_name(request.name))
        return empty_pb2.Empty()

    async def CancelOperation(self, request: CancelOperationRequest, context: Context) -> empty_pb2.Empty:
        """Cancels a build's operation."""
        del context
        await self._operations.cancel(_name(request.name))
        return empty_pb2.Empty()


def _message(entry: Entry) -> Operation:
    return build_operation_to_proto(entry) if isinstance(entry, Build) else operation_to_proto(*entry)


def _name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise OperationNotFound(name[:200])
    return name
