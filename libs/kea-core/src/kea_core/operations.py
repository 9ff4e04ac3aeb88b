"""Messages of long-running operations, with their types."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same messages in another module, which alone has a stub and cannot be loaded beside the other
    from google.longrunning.operations_proto_pb2 import (
        CancelOperationRequest,
        DeleteOperationRequest,
        GetOperationRequest,
        ListOperationsRequest,
        ListOperationsResponse,
        Operation,
        WaitOperationRequest,
    )
else:
    from google.longrunning.operations_pb2 import (
        CancelOperationRequest,
        DeleteOperationRequest,
        GetOperationRequest,
        ListOperationsRequest,
        ListOperationsResponse,
        Operation,
        WaitOperationRequest,
    )

__all__ = [
    "CancelOperationRequest",
    "DeleteOperationRequest",
    "GetOperationRequest",
    "ListOperationsRequest",
    "ListOperationsResponse",
    "Operation",
    "WaitOperationRequest",
]
