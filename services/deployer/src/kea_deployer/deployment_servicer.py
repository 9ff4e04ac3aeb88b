"""`kea.deployer.v1.DeploymentService`: between the protos and the use cases, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea_core.access import current_visible
from kea_core.change_feed import Change, Synced
from kea_core.idempotency import digest_of
from kea_core.interceptors import Context
from kea_core.operations import Operation
from kea_core.pages import page_token, read_page
from kea_core.resource_name import parse_name

from kea_deployer.convert import deployment_to_proto, lines_to_proto, operation_to_proto, wanted_from_proto
from kea_deployer.domain.deployments import Deployments
from kea_deployer.domain.ports import DeploymentStore, Logs

DEFAULT_TAIL_LINES = 100


class DeploymentServicer(deployment_service_pb2_grpc.DeploymentServiceServicer):
    """Serves deployments."""

    def __init__(self, deployments: Deployments, store: DeploymentStore, logs: Logs) -> None:
        self._deployments = deployments
        self._store = store
        self._logs = logs

    async def CreateDeployment(
        self, request: deployment_service_pb2.CreateDeploymentRequest, context: Context
    ) -> Operation:
        """Begins to bring a model version up."""
        del context
        begun = await self._deployments.create(
            f"{request.parent}/deployments/{request.deployment_id}",
            request.deployment.model_version,
            wanted_from_proto(request.deployment),
            managed_by=request.deployment.managed_by,
            prebuilt_image=request.deployment.prebuilt_image,
            validate_only=request.validate_only,
            request_id=request.request_id,
            digest=digest_of("CreateDeployment", request),
        )
        return operation_to_proto(*begun)

    async def GetDeployment(
        self, request: deployment_service_pb2.GetDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """Returns one deployment."""
        del context
        return deployment_to_proto(await self._deployments.get(request.name))

    async def ListDeployments(
        self, request: deployment_service_pb2.ListDeploymentsRequest, context: Context
    ) -> deployment_service_pb2.ListDeploymentsResponse:
        """Lists a project's deployments."""
        del context
        listing = f"deployments of {request.parent}"
        (project,) = parse_name(request.parent, "projects")
        page = read_page(listing, request.page_size, request.page_token, only=current_visible().names)
        found, more = await self._deployments.list(project, page)
        return deployment_service_pb2.ListDeploymentsResponse(
            deployments=[deployment_to_proto(deployment) for deployment in found],
            next_page_token=page_token(listing, found[-1].name) if more else "",
        )

    async def UpdateDeployment(
        self, request: deployment_service_pb2.UpdateDeploymentRequest, context: Context
    ) -> Operation:
        """Changes how many replicas there are, and how they run."""
        del context
        begun = await self._deployments.update(
            request.deployment.name,
            wanted_from_proto(request.deployment),
            list(request.update_mask.paths),
            etag=request.deployment.etag,
            validate_only=request.validate_only,
            request_id=request.request_id,
            digest=digest_of("UpdateDeployment", request),
        )
        return operation_to_proto(*begun)

    async def DeleteDeployment(
        self, request: deployment_service_pb2.DeleteDeploymentRequest, context: Context
    ) -> Operation:
        """Begins to take a deployment down."""
        del context
        begun = await self._deployments.delete(request.name, etag=request.etag, validate_only=request.validate_only)
        return operation_to_proto(*begun)

    async def StreamDeploymentLogs(
        self, request: deployment_service_pb2.StreamDeploymentLogsRequest, context: Context
    ) -> AsyncIterator[deployment_service_pb2.StreamDeploymentLogsResponse]:
        """Sends what a deployment's replicas wrote."""
        del context
        key = (await self._deployments.get(request.name)).key
        tail = request.tail_lines or DEFAULT_TAIL_LINES
        if not request.follow:
            for response in lines_to_proto(await self._logs.tail(key, tail)):
                yield response
            return

        async def there() -> bool:
            return await self._deployments.find(request.name) is not None

        async for lines in self._logs.follow(key, tail, there):
            for response in lines_to_proto(lines):
                yield response

    async def WatchDeployments(
        self, request: deployment_service_pb2.WatchDeploymentsRequest, context: Context
    ) -> AsyncIterator[deployment_service_pb2.WatchDeploymentsResponse]:
        """Follows the changes of all deployments."""
        del context
        async for change in self._store.watch(request.since_revision):
            yield await self._change(change)

    async def _change(self, change: Change | Synced) -> deployment_service_pb2.WatchDeploymentsResponse:
        response = deployment_service_pb2.WatchDeploymentsResponse(revision=change.revision)
        if isinstance(change, Change):
            deployment = None if change.deleted else await self._deployments.find(change.name)
            if deployment is None:
                response.deleted = change.name
            else:
                response.upserted.CopyFrom(deployment_to_proto(deployment))
        return response
