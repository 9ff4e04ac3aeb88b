"""Deployments, through the gateway: calls, and waiting for the operations they begin."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence

from google.protobuf import duration_pb2, field_mask_pb2
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea.longrunning.v1 import operations_pb2_grpc
from kea_core.operations import Operation, WaitOperationRequest

from kea_sdk import convert
from kea_sdk.deadline import Deadline, patiently
from kea_sdk.error_mapping import from_status
from kea_sdk.errors import DeadlineExceeded, NotFound
from kea_sdk.gateway import CALL_SECONDS, Gateway
from kea_sdk.resources import LogLine

State = deployment_pb2.Deployment.State
WAIT_SECONDS = 10
"""How long the server is asked to hold one WaitOperation."""
PAGE = 1000

Report = Callable[[str], None]
"""Told of each step, for a person."""


class Deployments:
    """The deployer's calls for one project."""

    def __init__(self, gateway: Gateway, project: str) -> None:
        self._gateway = gateway
        self._parent = f"projects/{project}"
        self._stub = gateway.stub(deployment_service_pb2_grpc.DeploymentServiceStub)
        self._operations = gateway.stub(operations_pb2_grpc.OperationsStub)

    def get(self, deployment: str) -> deployment_pb2.Deployment:
        """Returns a deployment."""
        request = deployment_service_pb2.GetDeploymentRequest(name=self._name(deployment))
        return self._gateway.call(self._stub.GetDeployment, request, repeatable=True)

    def find(self, deployment: str) -> deployment_pb2.Deployment | None:
        """Returns a deployment, or None where there is none of that id."""
        try:
            return self.get(deployment)
        except NotFound:
            return None

    def all(self) -> list[deployment_pb2.Deployment]:
        """Returns the project's deployments by name."""
        found: list[deployment_pb2.Deployment] = []
        request = deployment_service_pb2.ListDeploymentsRequest(parent=self._parent, page_size=PAGE)
        while True:
            page = self._gateway.call(self._stub.ListDeployments, request, repeatable=True)
            found += page.deployments
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def create(self, deployment: str, model_version: str, wanted: deployment_pb2.Deployment) -> Operation:
        """Begins to bring a model version up, run as is wanted."""
        request = deployment_service_pb2.CreateDeploymentRequest(
            parent=self._parent, deployment_id=deployment, deployment=wanted, request_id=str(uuid.uuid4())
        )
        request.deployment.model_version = model_version
        return self._gateway.call(self._stub.CreateDeployment, request, repeatable=True)

    def update(
        self, found: deployment_pb2.Deployment, wanted: deployment_pb2.Deployment, paths: Sequence[str]
    ) -> Operation:
        """Begins to change how one runs."""
        request = deployment_service_pb2.UpdateDeploymentRequest(
            deployment=wanted, update_mask=field_mask_pb2.FieldMask(paths=paths), request_id=str(uuid.uuid4())
        )
        request.deployment.name, request.deployment.etag = found.name, found.etag
        return self._gateway.call(self._stub.UpdateDeployment, request, repeatable=True)

    def delete(self, deployment: str) -> Operation | None:
        """Begins to take a deployment down; None where it is gone already."""
        request = deployment_service_pb2.DeleteDeploymentRequest(name=self._name(deployment))
        try:
            return self._gateway.call(self._stub.DeleteDeployment, request)
        except NotFound:
            return None

    def wait(self, operation: Operation, deadline: Deadline, what: str, report: Report) -> None:
        """Waits until an operation is done, reporting its steps.

        Raises:
            KeaClientError: the operation failed, with its own reason, or takes longer than it may.
        """
        if not self._look(operation, report):
            patiently(lambda: self._poll(operation, deadline, report), deadline, what)
        if operation.HasField("error"):
            raise from_status(operation.error)

    def wait_gone(self, deployment: str, deadline: Deadline) -> None:
        """Waits until a deployment that is being taken down is gone."""
        patiently(lambda: self.find(deployment) is None, deadline, f"taking deployment {deployment} down")

    def logs(self, deployment: str, *, tail: int, follow: bool) -> Iterator[LogLine]:
        """Gives the lines of a deployment's replicas, oldest first."""
        request = deployment_service_pb2.StreamDeploymentLogsRequest(
            name=self._name(deployment), tail_lines=tail, follow=follow
        )
        bound = None if follow else CALL_SECONDS
        for message in self._gateway.stream(self._stub.StreamDeploymentLogs, request, timeout=bound):
            for entry in message.entries:
                yield convert.log_line(entry, deployment)

    def _poll(self, operation: Operation, deadline: Deadline, report: Report) -> bool:
        hold = deadline.left(WAIT_SECONDS)
        request = WaitOperationRequest(
            name=operation.name,
            timeout=duration_pb2.Duration(seconds=int(hold), nanos=int(hold % 1 * 1e9)),
        )
        try:
            seen = self._gateway.call(self._operations.WaitOperation, request, timeout=hold + 5, repeatable=True)
        except DeadlineExceeded:  # it may hold the call a little longer than asked: ask again
            return False
        operation.CopyFrom(seen)
        return self._look(operation, report)

    def _look(self, operation: Operation, report: Report) -> bool:
        metadata = deployment_pb2.DeploymentOperationMetadata()
        if operation.metadata.Unpack(metadata) and metadata.step:
            report(metadata.step)
        return operation.done

    def _name(self, deployment: str) -> str:
        return f"{self._parent}/deployments/{deployment}"
