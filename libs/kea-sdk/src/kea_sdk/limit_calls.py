"""What the client does with the limits of its project."""

from __future__ import annotations

from google.protobuf import field_mask_pb2
from kea.router.v1 import limits_pb2, limits_service_pb2, limits_service_pb2_grpc

from kea_sdk.convert import time_of
from kea_sdk.gateway import Gateway
from kea_sdk.limits import ProjectLimits, RateLimit
from kea_sdk.limits_convert import rate, rate_message


class LimitCalls:
    """The part of the client that is about the limits of a project.

    Args:
        gateway: the connection.
        project: its id.
    """

    def __init__(self, gateway: Gateway, project: str) -> None:
        self._limits_gateway = gateway
        self._limits_name = f"projects/{project}/limits"

    def project_limits(self) -> ProjectLimits:
        """Returns what the project's endpoints take together."""
        stub = self._limits_gateway.stub(limits_service_pb2_grpc.LimitsServiceStub)
        request = limits_service_pb2.GetProjectLimitsRequest(name=self._limits_name)
        return _limits(self._limits_gateway.call(stub.GetProjectLimits, request, repeatable=True))

    def update_project_limits(
        self, *, total: RateLimit | None = None, max_concurrent_requests: int = 0, etag: str = ""
    ) -> ProjectLimits:
        """Sets what the project's endpoints take together; what is not given is no limit from then on.

        Args:
            total: of all requests to all of them; None: no limit.
            max_concurrent_requests: most requests in progress at once, up to 100000; 0: no limit.
            etag: that of the limits as they were read. Empty: whatever they are.

        Raises:
            Aborted: they have changed since they were read.
            InvalidArgument: a limit is out of bounds.
        """
        stub = self._limits_gateway.stub(limits_service_pb2_grpc.LimitsServiceStub)
        wanted = limits_pb2.ProjectLimits(
            name=self._limits_name,
            total=rate_message(total),
            max_concurrent_requests=max_concurrent_requests,
            etag=etag,
        )
        mask = field_mask_pb2.FieldMask(paths=["total", "max_concurrent_requests"])
        request = limits_service_pb2.UpdateProjectLimitsRequest(project_limits=wanted, update_mask=mask)
        return _limits(self._limits_gateway.call(stub.UpdateProjectLimits, request))


def _limits(message: limits_pb2.ProjectLimits) -> ProjectLimits:
    return ProjectLimits(
        total=rate(message.total) if message.HasField("total") else None,
        max_concurrent_requests=message.max_concurrent_requests,
        update_time=time_of(message.update_time),
        etag=message.etag,
    )
