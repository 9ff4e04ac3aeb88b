"""What KEA has for custom resources, followed: which deployments and endpoints each manages, and who sends where.

It tells where to look, and when; what is there is asked for again before anything is decided.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import grpc
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, endpoint_service_pb2_grpc
from kea_core.watching import follow


@dataclass(frozen=True, slots=True)
class _Known:
    managed_by: str
    targets: frozenset[str] = frozenset()


class Mirror:
    """Follows the deployer and the router.

    Args:
        deployer: its channel.
        router: its channel.
        notice: called with the resource, `{namespace}/{name}`, that manages what has changed.
    """

    def __init__(self, deployer: grpc.aio.Channel, router: grpc.aio.Channel, notice: Callable[[str], None]) -> None:
        self._deployer = deployment_service_pb2_grpc.DeploymentServiceStub(deployer)
        self._router = endpoint_service_pb2_grpc.EndpointServiceStub(router)
        self._notice = notice
        self._deployments: dict[str, _Known] = {}
        self._endpoints: dict[str, _Known] = {}
        self._synced = {"deployments": asyncio.Event(), "endpoints": asyncio.Event()}

    @property
    def synced(self) -> bool:
        """Whether all that there was at the start is known."""
        return all(event.is_set() for event in self._synced.values())

    async def wait(self) -> None:
        """Returns once all that there was at the start is known."""
        for event in self._synced.values():
            await event.wait()

    def deployments_of(self, resource: str) -> set[str]:
        """Returns the names of the deployments that a resource manages, and of some that it did."""
        return {name for name, known in self._deployments.items() if known.managed_by == resource}

    def endpoints_of(self, resource: str) -> set[str]:
        """Returns the names of the endpoints that a resource manages, and of some that it did."""
        return {name for name, known in self._endpoints.items() if known.managed_by == resource}

    def targeted_by_others(self, resource: str) -> set[str]:
        """Returns the deployments that endpoints send requests to which the resource does not manage."""
        others = (known for known in self._endpoints.values() if known.managed_by != resource)
        return {target for known in others for target in known.targets}

    def learn_deployment(self, name: str, resource: str) -> None:
        """Takes note of a deployment that is being made, ahead of the watch."""
        self._deployments.setdefault(name, _Known(resource))

    def learn_endpoint(self, name: str, resource: str) -> None:
        """Takes note of an endpoint that is being made, ahead of the watch."""
        self._endpoints.setdefault(name, _Known(resource))

    def forget_deployment(self, name: str) -> None:
        """Takes note that a deployment is gone, ahead of the watch."""
        self._deployments.pop(name, None)

    def forget_endpoint(self, name: str) -> None:
        """Takes note that an endpoint is gone, ahead of the watch."""
        self._endpoints.pop(name, None)

    async def run(self) -> None:
        """Follows until cancelled; while a service is away, what was known stays."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                follow("deployments", self._watch_deployments, forget=self._deployments.clear), name="deployments"
            )
            tasks.create_task(
                follow("endpoints", self._watch_endpoints, forget=self._endpoints.clear), name="endpoints"
            )

    async def _watch_deployments(self, since: int) -> AsyncIterator[int]:
        request = deployment_service_pb2.WatchDeploymentsRequest(since_revision=since)
        async for response in self._deployer.WatchDeployments(request, wait_for_ready=True):
            match response.WhichOneof("change"):
                case "upserted":
                    self._put(self._deployments, response.upserted, frozenset())
                case "deleted":
                    self._remove(self._deployments, response.deleted)
                case _:
                    self._synced["deployments"].set()
            yield response.revision

    async def _watch_endpoints(self, since: int) -> AsyncIterator[int]:
        request = endpoint_service_pb2.WatchEndpointsRequest(since_revision=since)
        async for response in self._router.WatchEndpoints(request, wait_for_ready=True):
            match response.WhichOneof("change"):
                case "upserted":
                    targets = frozenset(target.deployment for target in response.upserted.targets)
                    self._put(self._endpoints, response.upserted, targets)
                case "deleted":
                    self._remove(self._endpoints, response.deleted)
                case _:
                    self._synced["endpoints"].set()
            yield response.revision

    def _put(
        self,
        known: dict[str, _Known],
        message: deployment_pb2.Deployment | endpoint_pb2.Endpoint,
        targets: frozenset[str],
    ) -> None:
        known[message.name] = _Known(message.managed_by, targets)
        if message.managed_by:
            self._notice(message.managed_by)

    def _remove(self, known: dict[str, _Known], name: str) -> None:
        gone = known.pop(name, None)
        if gone is not None and gone.managed_by:
            self._notice(gone.managed_by)
