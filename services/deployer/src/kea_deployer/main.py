"""The deployer's composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from kea.deployer.v1 import build_service_pb2_grpc, deployment_service_pb2_grpc
from kea.longrunning.v1 import operations_pb2_grpc
from kea_core.audit_reporting import outbox_of, report_to
from kea_core.authority import Authority
from kea_core.background import repeat
from kea_core.change_feed import ChangeFeed
from kea_core.client import ServiceTokens, open_channel
from kea_core.clock import utc_now
from kea_core.database import migrate, open_database
from kea_core.following_auth import AuthFollower
from kea_core.idempotency import SeenRequests
from kea_core.lifecycle import cancel_after
from kea_core.server import ServedService, serve
from kea_core.settings import Secret
from kea_core.tls import open_tls
from prometheus_client import CollectorRegistry

from kea_deployer.build_servicer import BuildServicer
from kea_deployer.builds.build_housekeeping import BuildHousekeeping
from kea_deployer.builds.build_logs import StoredBuildLogs
from kea_deployer.builds.build_runner import BuildRunner
from kea_deployer.builds.no_workshop import NoWorkshop
from kea_deployer.builds.workshop import ImageWorkshop, open_workshop
from kea_deployer.deployment_servicer import DeploymentServicer
from kea_deployer.domain.builds import Builds
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
from kea_deployer.reconcile.feed_follower import FeedFollower
from kea_deployer.reconcile.reconciler import Reconciler
from kea_deployer.reconcile.wake_queue import WakeQueue
from kea_deployer.registry_client import RegistryClient
from kea_deployer.settings import DeployerSettings
from kea_deployer.store.build_store import SqlBuildStore
from kea_deployer.store.deployment_store import SqlDeploymentStore
from kea_deployer.store.tables import AUDIT_EVENTS, FEED, REQUESTS

MIGRATIONS = Path(__file__).parent / "migrations"
HOUSEKEEPING_SECONDS = 600.0
"""How often what nobody needs any more is removed."""
FOLLOW_SECONDS = 1.0
"""Time after which the change feed is followed anew where the database was away."""
LOOK_SECONDS = 5.0
"""How often builds are looked for that other deployers have taken on."""


async def run(
    settings: DeployerSettings, stop: asyncio.Event, ready: Callable[[], None], *, metrics: CollectorRegistry
) -> None:
    """Runs the deployer until `stop`; calls `ready` once auth's keys and policy are known and it serves."""
    tls = open_tls(settings.tls_directory)
    await migrate(settings.database, MIGRATIONS)
    async with AsyncExitStack() as stack:
        outbox = outbox_of(AUDIT_EVENTS, settings.audit_address)
        sessions = await stack.enter_async_context(open_database(settings.database, outbox=outbox))
        auth = await stack.enter_async_context(open_channel(settings.auth_address, tls=tls))
        tokens = ServiceTokens(auth, "deployer", Secret(settings.credential_file.read_text().strip()))
        channel = await stack.enter_async_context(open_channel(settings.registry_address, tokens, tls=tls))
        registry = RegistryClient(channel)

        feed = ChangeFeed(sessions, FEED)
        requests = SeenRequests(REQUESTS)
        store = SqlDeploymentStore(sessions, feed, requests)
        logs = LogFiles(settings.data_directory / "logs", max_bytes=settings.max_log_bytes)
        queue = WakeQueue()
        async with store.reading() as transaction:
            known = await transaction.all()
        workshop = await _open_workshop(settings, registry, stack)
        opened = await _open_platform(settings, workshop, registry, logs, known, queue.wake, metrics, stack)
        reconciler = Reconciler(store, opened.platform, queue, clock=utc_now)
        house = Housekeeping(store, feed.forget_old, opened.tidy, clock=utc_now)
        deployments = Deployments(store, registry, check=opened.platform.check, wake=queue.wake, clock=utc_now)
        build_store = SqlBuildStore(sessions, requests)
        made = _Builds(settings, build_store, registry, workshop)
        trusted = await stack.enter_async_context(open_channel(settings.auth_address, tokens, tls=tls))
        authority = Authority()
        of_auth = AuthFollower(auth, trusted, authority)
        services = _services(
            DeploymentServicer(deployments, store, opened.logs),
            made.servicer,
            OperationServicer(Operations(store, build_store, made.builds)),
        )
        reports = report_to(settings.audit_address, "deployer", metrics, tls=tls, outbox=outbox, sessions=sessions)
        tell = await stack.enter_async_context(reports)
        server = await stack.enter_async_context(
            serve(
                settings.address,
                services,
                authority=authority,
                metrics=metrics,
                drain=settings.drain,
                tls=tls,
                health_address=settings.health_address,
                tell=tell,
            )
        )

        async def announce() -> None:
            await of_auth.known.wait()
            await server.ready()
            ready()

        async def act() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reconciler.run(), name="reconciler")
                tasks.create_task(made.runner.run(), name="builds")
                tasks.create_task(repeat("housekeeping", HOUSEKEEPING_SECONDS, house.run_once), name="housekeeping")
                house_of_builds = repeat("housekeeping of builds", HOUSEKEEPING_SECONDS, made.house.run_once)
                tasks.create_task(house_of_builds, name="housekeeping of builds")
                if opened.shared:
                    follower = FeedFollower(store, queue.wake)
                    tasks.create_task(repeat("change feed", FOLLOW_SECONDS, follower.run), name="change feed")

        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(of_auth.run(), name="auth"),
                tasks.create_task(opened.act(act), name="acting"),
                tasks.create_task(announce(), name="readiness"),
            ]
            await cancel_after(stop, background)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A platform, and what is offered beside it."""

    platform: Platform
    logs: Logs
    tidy: Callable[[Sequence[Deployment]], Awaitable[None]]
    act: Callable[[Callable[[], Awaitable[None]]], Coroutine[None, None, None]]
    """Runs what only one of several deployers may do."""
    shared: bool
    """Whether there may be several."""


async def _open_platform(
    settings: DeployerSettings,
    workshop: ImageWorkshop | NoWorkshop,
    archives: Archives,
    logs: LogFiles,
    known: Sequence[Deployment],
    wake: Callable[[str], None],
    metrics: CollectorRegistry,
    stack: AsyncExitStack,
) -> _Opened:
    if settings.platform == "kubernetes" and isinstance(workshop, ImageWorkshop):
        # Only here: Kubernetes' client is large, and takes a while to be imported.
        from kea_deployer.cluster.platform import open_cluster_platform

        opening = open_cluster_platform(settings, workshop, logs, wake, metrics)
        cluster = await stack.enter_async_context(opening)
        return _Opened(cluster, cluster.logs, _leave, cluster.act, shared=True)
    local = await stack.enter_async_context(open_local_platform(settings, archives, logs, known, wake))
    return _Opened(local, logs, local.tidy, _at_once, shared=False)


async def _at_once(work: Callable[[], Awaitable[None]]) -> None:
    """Runs it: on one machine there is one deployer."""
    await work()


async def _leave(deployments: Sequence[Deployment]) -> None:
    """Does nothing: pods are the cluster's, and what images were made of is the workshop's."""
    del deployments


class _Builds:
    """All that builds are done with."""

    def __init__(
        self,
        settings: DeployerSettings,
        store: SqlBuildStore,
        registry: RegistryClient,
        workshop: ImageWorkshop | NoWorkshop,
    ) -> None:
        logs = LogFiles(settings.data_directory / "builds" / "logs", max_bytes=settings.max_log_bytes)

        async def forget(key: str) -> None:
            await asyncio.to_thread(logs.remove, key)

        look_seconds = LOOK_SECONDS if settings.platform == "kubernetes" else None
        self.runner = BuildRunner(store, workshop, logs, clock=utc_now, look_seconds=look_seconds)
        self.builds = Builds(store, registry, workshop, forget=forget, wake=self.runner.wake, clock=utc_now)
        self.house = BuildHousekeeping(store, forget, workshop.tidy, clock=utc_now)
        self.servicer = BuildServicer(self.builds, StoredBuildLogs(logs, store))


async def _open_workshop(
    settings: DeployerSettings, archives: Archives, stack: AsyncExitStack
) -> ImageWorkshop | NoWorkshop:
    images = settings.images
    if images.missing:
        return NoWorkshop([f"images.{name} (KEA_DEPLOYER_IMAGES_{name.upper()})" for name in images.missing])
    return await stack.enter_async_context(
        open_workshop(
            images, settings.data_directory / "builds", archives, max_artifact_bytes=settings.max_artifact_bytes
        )
    )


def _services(
    deployments: DeploymentServicer, builds: BuildServicer, operations: OperationServicer
) -> list[ServedService]:
    return [
        ServedService(
            "kea.deployer.v1.DeploymentService",
            lambda server: deployment_service_pb2_grpc.add_DeploymentServiceServicer_to_server(deployments, server),
        ),
        ServedService(
            "kea.deployer.v1.BuildService",
            lambda server: build_service_pb2_grpc.add_BuildServiceServicer_to_server(builds, server),
        ),
        ServedService(
            "google.longrunning.Operations",
            lambda server: operations_pb2_grpc.add_OperationsServicer_to_server(operations, server),
        ),
    ]
