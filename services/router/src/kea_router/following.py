"""Following our own endpoints and limits, and the deployer's deployments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import grpc
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea_core.change_feed import Change, Synced
from kea_core.errors import RevisionExpired
from kea_core.watching import follow

from kea_router.convert import DeploymentUnreadable, deployment_from_proto
from kea_router.domain.endpoints import Endpoints
from kea_router.domain.ports import EndpointStore
from kea_router.domain.project_limits import LimitsOfProjects, ProjectLimitsStore
from kea_router.publication import World

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Time until a database that is away is asked again."""


async def follow_endpoints(store: EndpointStore, endpoints: Endpoints, world: World) -> None:
    """Keeps the world's endpoints as the store has them, also those that another router writes.

    While the database is away the last known ones stay.
    """
    revision = 0
    while True:
        try:
            async for change in store.watch(revision):
                if isinstance(change, Change):
                    world.set_endpoint(change.name, None if change.deleted else await endpoints.find(change.name))
                else:
                    world.endpoints_told()
                revision = change.revision
        except RevisionExpired:
            # Removals have been missed, or the database is another: all is told anew.
            revision = 0
            world.doubt_endpoints()
        except Exception:
            log.exception("endpoints are not followed; tried again", extra={"revision": revision})
            await asyncio.sleep(PAUSE_SECONDS)


async def follow_project_limits(store: ProjectLimitsStore, limits: LimitsOfProjects, world: World) -> None:
    """Keeps the world's limits of projects as the store has them; while the database is away the last ones stay.

    They are few, and the gateway takes them as a whole: after each change all are read.
    """
    revision, stale = 0, True
    while True:
        try:
            async for change in store.watch(revision):
                stale = stale or isinstance(change, Change)
                if stale and isinstance(change, Synced):
                    world.set_project_limits(await limits.all())
                    stale = False
                revision = change.revision
        except RevisionExpired:
            revision, stale = 0, True
        except Exception:
            log.exception("limits of projects are not followed; tried again", extra={"revision": revision})
            stale = True
            await asyncio.sleep(PAUSE_SECONDS)


async def follow_deployments(channel: grpc.aio.Channel, world: World) -> None:
    """Keeps the world's deployments as the deployer has them; while it is down, the last known ones stay."""
    stub = deployment_service_pb2_grpc.DeploymentServiceStub(channel)

    async def watch(since: int) -> AsyncIterator[int]:
        request = deployment_service_pb2.WatchDeploymentsRequest(since_revision=since)
        async for response in stub.WatchDeployments(request, wait_for_ready=True):
            kind = response.WhichOneof("change")
            if kind == "upserted":
                _take(world, response.upserted)
            elif kind == "deleted":
                world.set_deployment(response.deleted, None)
            else:
                world.deployments_told()
            yield response.revision

    await follow("deployments", watch, forget=world.doubt_deployments)


def _take(world: World, message: deployment_pb2.Deployment) -> None:
    try:
        world.set_deployment(message.name, deployment_from_proto(message))
    except DeploymentUnreadable as error:
        # One that makes no sense must not keep all others from being followed.
        log.error("deployment left as it was", extra={"deployment": message.name, "problem": str(error)})  # noqa: TRY400 - no trace is needed
        world.keep_deployment(message.name)
