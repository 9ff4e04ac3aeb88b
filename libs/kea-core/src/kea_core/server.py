"""gRPC servers, all built the same way."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters
from prometheus_client import CollectorRegistry

from kea_core.access import Authorization, declared
from kea_core.access_log import AccessLog, CallMetrics
from kea_core.audit_trail import AuditTrail, Tell
from kea_core.authority import Authority
from kea_core.client import KEEPALIVE_MS
from kea_core.error_mapping import ErrorMapping
from kea_core.interceptors import ClosingStreams
from kea_core.settings import DrainSettings
from kea_core.tls import Tls
from kea_core.validation import Validation

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_CONCURRENT_CALLS = 1000

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_HEALTH: Any = health  # its `aio` is imported under a condition that type checkers take for false

Registration = Callable[[grpc.aio.Server], None]
"""Adds one servicer to a server."""


@dataclass(frozen=True, slots=True)
class ServedService:
    """A service and its implementation."""

    name: str
    """Full proto name, for example `kea.registry.v1.ModelService`."""
    register: Registration


class Server:
    """A gRPC server with health that is NOT_SERVING until `ready()`."""

    def __init__(self, server: grpc.aio.Server, health_servicer: Any) -> None:
        self._server = server
        self._health = health_servicer

    async def ready(self) -> None:
        """Answers SERVING from now on."""
        await self._health.set("", SERVING)

    async def drain(self, settings: DrainSettings) -> None:
        """Answers NOT_SERVING, waits until that is noticed, then lets accepted calls end."""
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(settings.unready_seconds)
        await self._server.stop(settings.grace_seconds)


@asynccontextmanager
async def serve(
    address: str,
    services: Sequence[ServedService],
    *,
    authority: Authority,
    metrics: CollectorRegistry,
    drain: DrainSettings,
    tls: Tls | None = None,
    health_address: str = "",
    tell: Tell | None = None,
    options: Sequence[tuple[str, Any]] = (),
) -> AsyncGenerator[Server, None]:
    """Serves on `unix:PATH` or `HOST:PORT` until the end of the block, then drains.

    Interceptors, outermost first: OpenTelemetry, access log and metrics, audit, errors, authorization, validation.

    Args:
        address: where.
        services: what, beside health.
        authority: knows who calls and what they may do.
        metrics: where calls are counted.
        drain: how it ends.
        tls: asks callers on `HOST:PORT` for a certificate.
        health_address: where health is served a second time, see `serve_health`.
        tell: takes the audit events that no transaction tells of. None: there is no audit log.
        options: of gRPC's, beside those that all servers have.
    """
    server = grpc.aio.server(
        interceptors=(
            # Health.Watch is in reader/writer style, which OpenTelemetry's wrapper cannot run.
            ClosingStreams(aio_server_interceptor(filter_=filters.negate(filters.health_check()))),
            AccessLog(CallMetrics(metrics)),
            *([AuditTrail([service.name for service in services], tell)] if tell is not None else []),
            ErrorMapping(),
            Authorization(authority, declared([service.name for service in services])),
            Validation(),
        ),
        maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS,
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),  # a second server on the same port is an error, not a lottery
            # Watches are quiet for hours; to ask meanwhile more often than every five minutes is an offence by default,
            # and the connection is ended with all that is on it.
            ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 3),
            *options,
        ],
    )
    servicer = _HEALTH.aio.HealthServicer()
    await servicer.set("", NOT_SERVING)  # the stock servicer begins with SERVING
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for service in services:
        service.register(server)
    listen(server, address, tls)
    async with serve_health(health_address, servicer):
        await server.start()
        made = Server(server, servicer)
        try:
            yield made
        finally:
            await made.drain(drain)


@asynccontextmanager
async def serve_health(address: str, servicer: Any) -> AsyncGenerator[None, None]:
    """Answers a server's health, and nothing else, on an address of its own until the end of the block.

    Kubernetes' probes speak neither TLS nor tokens. It is the same health, told by the same event loop: where that one
    hangs, there is no answer here either. Where the address is empty there is no such thing.
    """
    if not address:
        yield
        return
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    listen(server, address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


def listen(server: grpc.aio.Server, address: str, tls: Tls | None = None) -> None:
    """Binds an address, by TLS where there is one and the address is no socket file.

    A socket file left behind by a process that is gone is taken over.
    """
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        before = os.umask(0o077)
        try:
            server.add_insecure_port(address)
        finally:
            os.umask(before)
    elif tls is None:
        server.add_insecure_port(address)
    else:
        server.add_secure_port(address, tls.server_credentials())
