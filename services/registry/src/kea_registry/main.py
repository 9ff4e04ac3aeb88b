"""The composition root: the only module that knows all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from kea.registry.v1 import model_service_pb2_grpc, model_version_service_pb2_grpc
from kea_core.audit_reporting import outbox_of, report_to
from kea_core.authority import Authority
from kea_core.background import repeat
from kea_core.change_feed import ChangeFeed
from kea_core.client import ServiceTokens, open_channel
from kea_core.clock import Clock, utc_now
from kea_core.database import Sessions, migrate, open_database
from kea_core.following_auth import AuthFollower
from kea_core.idempotency import SeenRequests
from kea_core.lifecycle import cancel_after
from kea_core.server import ServedService, serve
from kea_core.settings import Secret
from kea_core.tls import open_tls
from prometheus_client import CollectorRegistry

from kea_registry.domain.archives import Archives
from kea_registry.domain.model_versions import ModelVersions
from kea_registry.domain.models import Models
from kea_registry.domain.upload import Uploads
from kea_registry.model_servicer import ModelServicer
from kea_registry.model_version_servicer import ModelVersionServicer
from kea_registry.settings import RegistrySettings
from kea_registry.store.archive_ledger import SqlArchiveLedger
from kea_registry.store.artifact_store import FsspecArtifacts
from kea_registry.store.storage import SqlStorage
from kea_registry.store.tables import AUDIT_EVENTS, FEED, REQUESTS

MIGRATIONS = Path(__file__).parent / "migrations"
FORGET_SECONDS = 3600.0
"""How often the change feed forgets old removals."""


async def run(
    settings: RegistrySettings,
    stop: asyncio.Event,
    ready: Callable[[], None],
    *,
    metrics: CollectorRegistry,
    clock: Clock = utc_now,
) -> None:
    """Runs the registry until `stop` is set; calls `ready()` once auth's keys and policy are known and it serves."""
    tls = open_tls(settings.tls_directory)
    await migrate(settings.database, MIGRATIONS)
    artifacts = FsspecArtifacts(settings.artifacts_url)
    await artifacts.open()
    async with AsyncExitStack() as stack:
        outbox = outbox_of(AUDIT_EVENTS, settings.audit_address)
        sessions = await stack.enter_async_context(open_database(settings.database, outbox=outbox))
        auth = await stack.enter_async_context(open_channel(settings.auth_address, tls=tls))
        secret = Secret(settings.credential_file.read_text().strip())
        tokens = ServiceTokens(auth, "registry", secret)
        trusted = await stack.enter_async_context(open_channel(settings.auth_address, tokens, tls=tls))
        authority = Authority()
        follower = AuthFollower(auth, trusted, authority)
        feed = ChangeFeed(sessions, FEED, clock=clock)
        ledger = SqlArchiveLedger(sessions, clock=clock)
        archives = Archives(ledger, artifacts, orphan_age=timedelta(seconds=settings.orphan_age_seconds), clock=clock)
        services = _services(settings, sessions, feed, artifacts, ledger, archives, clock)
        reports = report_to(settings.audit_address, "registry", metrics, tls=tls, outbox=outbox, sessions=sessions)
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
            await follower.known.wait()
            await sessions.ping()
            await server.ready()
            ready()

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(follower.run()),
                group.create_task(repeat("sweep", settings.sweep_seconds, archives.sweep)),
                group.create_task(repeat("forget removals", FORGET_SECONDS, feed.forget_old)),
                group.create_task(announce()),
            ]
            await cancel_after(stop, tasks)


def _services(
    settings: RegistrySettings,
    sessions: Sessions,
    feed: ChangeFeed,
    artifacts: FsspecArtifacts,
    ledger: SqlArchiveLedger,
    archives: Archives,
    clock: Clock,
) -> list[ServedService]:
    storage = SqlStorage(sessions, feed, SeenRequests(REQUESTS, clock=clock))
    models = ModelServicer(Models(storage, archives, clock=clock), clock=clock)
    versions = ModelVersionServicer(
        ModelVersions(storage, artifacts, archives, clock=clock),
        Uploads(storage, artifacts, ledger, archives, max_bytes=settings.max_artifact_bytes, clock=clock),
    )
    return [
        ServedService(
            "kea.registry.v1.ModelService",
            lambda server: model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, server),
        ),
        ServedService(
            "kea.registry.v1.ModelVersionService",
            lambda server: model_version_service_pb2_grpc.add_ModelVersionServiceServicer_to_server(versions, server),
        ),
    ]
