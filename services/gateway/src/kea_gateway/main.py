"""The portal's composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from grpc_health.v1 import health_pb2
from kea_core.access import Authorization, declared
from kea_core.access_log import AccessLog, CallMetrics
from kea_core.authority import Authority
from kea_core.client import ServiceTokens, open_channel
from kea_core.error_mapping import ErrorMapping
from kea_core.following_auth import AuthFollower
from kea_core.http_server import serve_http
from kea_core.lifecycle import came_first
from kea_core.server import serve_health
from kea_core.settings import Secret
from kea_core.task_scope import TaskScope
from kea_core.tls import open_tls
from prometheus_client import CollectorRegistry

from kea_gateway.inference_server import inference_handler
from kea_gateway.portal.app import build_app
from kea_gateway.portal.grpc_catalog import GrpcCatalog
from kea_gateway.portal.reflection import build_reflection_server
from kea_gateway.portal.visitor import visitors_by
from kea_gateway.settings import GatewaySettings


async def run(
    settings: GatewaySettings, stop: asyncio.Event, ready: Callable[[], None], *, metrics: CollectorRegistry
) -> None:
    """Runs the portal until `stop`; calls `ready` once it serves."""
    tls = open_tls(settings.tls_directory)
    async with AsyncExitStack() as stack:
        auth = await stack.enter_async_context(open_channel(settings.auth_address, tls=tls))
        tokens = ServiceTokens(auth, "portal", Secret(settings.credential_file.read_text().strip()))
        router = await stack.enter_async_context(open_channel(settings.router_address, tokens, tls=tls))
        deployer = await stack.enter_async_context(open_channel(settings.deployer_address, tokens, tls=tls))
        registry = await stack.enter_async_context(open_channel(settings.registry_address, tokens, tls=tls))

        trusted = await stack.enter_async_context(open_channel(settings.auth_address, tokens, tls=tls))
        authority = Authority()
        of_auth = AuthFollower(auth, trusted, authority)
        interceptors = (AccessLog(CallMetrics(metrics)), ErrorMapping(), Authorization(authority, declared(())))
        server, health = build_reflection_server(settings.grpc_address, interceptors=interceptors, tls=tls)
        server.add_generic_rpc_handlers((inference_handler(),))
        await health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        await stack.enter_async_context(serve_health(settings.health_address, health))
        await server.start()
        stack.push_async_callback(server.stop, settings.drain.grace_seconds)

        catalog = GrpcCatalog(router=router, deployer=deployer, registry=registry)
        app = build_app(
            catalog, visitors=visitors_by(authority), login=settings.login, private_docs=settings.private_docs
        )
        async with TaskScope() as tasks:
            tasks.create_task(of_auth.run(), name="auth")
            if not await came_first(of_auth.known, stop):
                return
            async with serve_http(app, settings.http_address, settings.drain.grace_seconds, name="portal"):
                await health.set("", health_pb2.HealthCheckResponse.SERVING)
                ready()
                await stop.wait()
