"""The router's composition root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc
from kea.router.v1 import data_plane_service_pb2_grpc, endpoint_service_pb2_grpc, limits_service_pb2_grpc
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
from kea_core.server import ServedService, listen, serve
from kea_core.settings import Secret
from kea_core.tls import Tls, open_tls
from prometheus_client import CollectorRegistry

from kea_router.data_plane_servicer import DataPlaneServicer
from kea_router.domain.endpoints import Endpoints
from kea_router.domain.project_limits import LimitsOfProjects
from kea_router.domain.revisions import Revisions
from kea_router.endpoint_servicer import EndpointServicer
from kea_router.following import follow_deployments, follow_endpoints, follow_project_limits
from kea_router.gateways import follow_gateways
from kea_router.limits_servicer import LimitsServicer
from kea_router.publication import World
from kea_router.recording import Recorder
from kea_router.settings import RouterSettings
from kea_router.store.endpoint_store import SqlEndpointStore
from kea_router.store.limits_store import SqlProjectLimitsStore
from kea_router.store.tables import AUDIT_EVENTS, FEED, REQUESTS
from kea_router.translate.management_routes import Backends
from kea_router.xds.ads import AggregatedDiscoveryServicer
from kea_router.xds.publisher import PublicationMetrics, Publisher

MIGRATIONS = Path(__file__).parent / "migrations"
XDS_GRACE_SECONDS = 0.5
"""ADS streams never end by themselves, and Envoy goes on with what it has."""
XDS_OPTIONS = (
    ("grpc.so_reuseport", 0),
    # A stream's first message names all that an Envoy holds: 80 bytes for each of tens of thousands.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Envoys ping every 10 s, mostly without anything to say; by default that is an offence, and the stream is ended.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # An Envoy that vanishes without a word must not be waited for: endpoints would be reconciling for ever.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)
FORGET_SECONDS = 3600.0
"""How often the change feed forgets old removals."""


async def run(
    settings: RouterSettings, stop: asyncio.Event, ready: Callable[[], None], *, metrics: CollectorRegistry
) -> None:
    """Runs the router until `stop`; calls `ready` once a whole configuration is published."""
    tls = open_tls(settings.tls_directory)
    await migrate(settings.database, MIGRATIONS)
    async with AsyncExitStack() as stack:
        outbox = outbox_of(AUDIT_EVENTS, settings.audit_address)
        sessions = await stack.enter_async_context(open_database(settings.database, outbox=outbox))
        auth = await stack.enter_async_context(open_channel(settings.auth_address, tls=tls))
        secret = Secret(settings.credential_file.read_text().strip())
        tokens = ServiceTokens(auth, "router", secret)
        deployer = await stack.enter_async_context(open_channel(settings.deployer_address, tokens, tls=tls))

        feed = ChangeFeed(sessions, FEED)
        store = SqlEndpointStore(sessions, feed, SeenRequests(REQUESTS))
        endpoints = Endpoints(store, clock=utc_now)
        limits_store = SqlProjectLimitsStore(sessions, feed)
        limits = LimitsOfProjects(limits_store, clock=utc_now)
        publisher = Publisher(PublicationMetrics(metrics))
        revisions = Revisions(store, clock=utc_now)
        recorder = Recorder(revisions)
        world = World(
            publisher,
            backends_of(settings),
            recorder.notice,
            private_docs=settings.private_docs,
            sharing=bool(settings.gateways_address),
        )
        authority = Authority()
        trusted = await stack.enter_async_context(open_channel(settings.auth_address, tokens, tls=tls))
        follower = AuthFollower(auth, trusted, authority, keys_changed=world.set_keys, policy_changed=world.set_policy)

        await stack.enter_async_context(serve_xds(settings.xds_address, publisher, tls))
        reports = report_to(settings.audit_address, "router", metrics, tls=tls, outbox=outbox, sessions=sessions)
        tell = await stack.enter_async_context(reports)
        server = await stack.enter_async_context(
            serve(
                settings.address,
                _services(
                    EndpointServicer(endpoints, revisions, store, world.status),
                    DataPlaneServicer(publisher),
                    LimitsServicer(limits),
                ),
                authority=authority,
                metrics=metrics,
                drain=settings.drain,
                tls=tls,
                health_address=settings.health_address,
                tell=tell,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(follower.run(), name="auth"),
                tasks.create_task(follow_endpoints(store, endpoints, world), name="endpoints"),
                tasks.create_task(follow_project_limits(limits_store, limits, world), name="limits of projects"),
                tasks.create_task(follow_deployments(deployer, world), name="deployments"),
                tasks.create_task(world.publish_forever(), name="publication"),
                tasks.create_task(recorder.run(world.serving), name="revisions"),
                tasks.create_task(repeat("forget removals", FORGET_SECONDS, feed.forget_old), name="forget removals"),
            ]

            if settings.gateways_address:
                counting = follow_gateways(settings.gateways_address, world.set_gateways)
                background.append(tasks.create_task(counting, name="gateways"))

            async def announce() -> None:
                await world.published.wait()
                await server.ready()
                ready()

            background.append(tasks.create_task(announce(), name="readiness"))
            await cancel_after(stop, background)


@asynccontextmanager
async def serve_xds(address: str, publisher: Publisher, tls: Tls | None) -> AsyncGenerator[None, None]:
    """Serves delta ADS on a listener of its own."""
    server = grpc.aio.server(options=XDS_OPTIONS)
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(AggregatedDiscoveryServicer(publisher), server)
    listen(server, address, tls)
    await server.start()
    try:
        yield
    finally:
        await server.stop(XDS_GRACE_SECONDS)


def _services(
    endpoints: EndpointServicer, data_plane: DataPlaneServicer, limits: LimitsServicer
) -> list[ServedService]:
    return [
        ServedService(
            "kea.router.v1.EndpointService",
            lambda server: endpoint_service_pb2_grpc.add_EndpointServiceServicer_to_server(endpoints, server),
        ),
        ServedService(
            "kea.router.v1.DataPlaneService",
            lambda server: data_plane_service_pb2_grpc.add_DataPlaneServiceServicer_to_server(data_plane, server),
        ),
        ServedService(
            "kea.router.v1.LimitsService",
            lambda server: limits_service_pb2_grpc.add_LimitsServiceServicer_to_server(limits, server),
        ),
    ]


def backends_of(settings: RouterSettings) -> Backends:
    """Returns where Envoy sends what is for no model."""
    return Backends(
        auth=settings.auth_address,
        registry=settings.registry_address,
        deployer=settings.deployer_address,
        router=settings.public_address or settings.address,
        portal_http=settings.portal_http_address,
        portal_grpc=settings.portal_grpc_address,
        auth_http=settings.auth_http_address,
        tls=bool(settings.tls_directory),
    )
