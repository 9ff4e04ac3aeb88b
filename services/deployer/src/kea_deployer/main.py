"""The deployer's composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from kea.deployer.v1 import deployment_service_pb2_grpc
from kea.longrunning.v1 import operations_pb2_grpc
from kea_core.background import repeat
from kea_core.change_feed import ChangeFeed
from kea_core.client import ServiceTokens, open_channel
from kea_core.clock import utc_now
from kea_core.database import migrate, open_database
from kea_core.idempotency import SeenRequests
from kea_core.lifecycle import cancel_after
from kea_core.server import ServedService, serve
from kea_core.settings import Secret
from kea_core.signing_keys import SigningKeyFollower
from kea_core.tokens import TokenVerifier
from prometheus_client import CollectorRegistry

from kea_deployer.deployment_servicer import DeploymentServicer
from kea_deployer.domain.deployment import Deployment
from kea_deployer.domain.deployments import Deployments
from kea_deployer.domain.operations import Operations
from kea_deployer.domain.plan import Platform
from kea_deployer.domain.ports import Logs
from kea_deployer.housekeeping import Housekeeping
from kea_deployer.local.platform import open_local_platform
from kea_deployer.operation_servicer import OperationServicer
from kea_deployer.provision.artifacts import Archives
from kea_deployer.provision.log_files import LogFiles
from kea_deployer.reconcile.reconciler import Reconciler
from kea_deployer.reconcile.wake_queue import WakeQueue
from kea_deployer.registry_client import RegistryClient
from kea_deployer.settings import DeployerSettings
from kea_deployer.store.deployment_store import SqlDeploymentStore
from kea_deployer.store.tables import FEED, REQUESTS

MIGRATIONS = Path(__file__).parent / "migrations"
HOUSEKEEPING_SECONDS = 600.0
"""How often what nobody needs any more is removed."""


async def run(
    settings: DeployerSettings, stop: asyncio.Event, ready: Callable[[], None], *, metrics: CollectorRegistry
) -> None:
    """Runs the deployer until `stop`; calls `ready` once auth's keys are known and it serves."""
    await migrate(settings.database, MIGRATIONS)
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(open_database(settings.database))
        auth = await stack.enter_async_context(open_channel(settings.auth_address))
        tokens = ServiceTokens(auth, "deployer", Secret(settings.credential_file.read_text().strip()))
        registry = RegistryClient(await stack.enter_async_context(open_channel(settings.registry_address, tokens)))

        feed = ChangeFeed(sessions, FEED)
        store = SqlDeploymentStore(sessions, feed, SeenRequests(REQUESTS))
        logs = LogFiles(settings.data_directory / "logs", max_bytes=settings.max_log_bytes)
        queue = WakeQueue()
        async with store.reading() as transaction:
            known = await transaction.all()
        opened = await _open_platform(settings, registry, logs, known, queue.wake, stack)
        reconciler = Reconciler(store, opened.platform, queue, clock=utc_now)
        house = Housekeeping(store, feed.forget_old, opened.tidy, clock=utc_now)
        deployments = Deployments(store, registry, check=opened.platform.check, wake=queue.wake, clock=utc_now)
        verifier = TokenVerifier()
        keys = SigningKeyFollower(auth, verifier)
        services = _services(DeploymentServicer(deployments, store, opened.logs), OperationServicer(Operations(store)))
        server = await stack.enter_async_context(
            serve(settings.address, services, verifier=verifier, metrics=metrics, drain=settings.drain)
        )

        async def announce() -> None:
            await keys.known.wait()
            await server.ready()
            ready()

        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(keys.run(), name="signing keys"),
                tasks.create_task(reconciler.run(), name="reconciler"),
                tasks.create_task(repeat("housekeeping", HOUSEKEEPING_SECONDS, house.run_once), name="housekeeping"),
                tasks.create_task(announce(), name="readiness"),
            ]
            await cancel_after(stop, background)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A platform, and what is offered beside it."""

    platform: Platform
    logs: Logs
    tidy: Callable[[Sequence[Deployment]], Awaitable[None]]


async def _open_platform(
    settings: DeployerSettings,
    archives: Archives,
    logs: LogFiles,
    known: Sequence[Deployment],
    wake: Callable[[str], None],
    stack: AsyncExitStack,
) -> _Opened:
    if settings.platform == "kubernetes":
        # Only here: Kubernetes' client is large, and takes a while to be imported.
        from kea_deployer.cluster.platform import open_cluster_platform

        cluster, caches = await stack.enter_async_context(open_cluster_platform(settings, archives, logs, wake))
        return _Opened(cluster, cluster.logs, caches.tidy)
    local = await stack.enter_async_context(open_local_platform(settings, archives, logs, known, wake))
    return _Opened(local, logs, local.tidy)


def _services(deployments: DeploymentServicer, operations: OperationServicer) -> list[ServedService]:
    return [
        ServedService(
            "kea.deployer.v1.DeploymentService",
            lambda server: deployment_service_pb2_grpc.add_DeploymentServiceServicer_to_server(deployments, server),
        ),
        ServedService(
            "google.longrunning.Operations",
            lambda server: operations_pb2_grpc.add_OperationsServicer_to_server(operations, server),
        ),
    ]
