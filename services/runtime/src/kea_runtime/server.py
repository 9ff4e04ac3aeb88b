"""The life of the two servers: start, tell the deployer, wait for the signal, drain."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

import grpc.aio

from kea_runtime.http_app import HttpApp
from kea_runtime.http_connection import Connections
from kea_runtime.methods import ServedModel
from kea_runtime.oip_grpc import Service
from kea_runtime.spec import Address, Spec

BACKLOG = 1024
"""Connections that wait to be accepted, and gRPC calls in hand at the same time."""

FLUSH_SECONDS = 1.0
"""Time for the last answers to leave, after the drain."""

_GRPC_OVERHEAD = 64 * 1024
"""What a message may have beside its tensors' bytes."""


async def serve(spec: Spec, model: ServedModel, on_ready: Callable[[], None]) -> None:
    """Serves until SIGTERM or SIGINT, then refuses new calls and finishes those in flight within `drain_seconds`."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = HttpApp(model, spec.max_body_bytes)
    connections = Connections(app, spec.max_body_bytes)
    grpc_server = None if spec.grpc is None else await _start_grpc(model, spec, spec.grpc)
    http = await _listen(connections, spec.http)
    on_ready()
    async with asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(connections.sweep(), name="sweep")
        await stop.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(spec.drain_seconds), asyncio.TaskGroup() as draining:
                draining.create_task(app.drain(), name="drain http")
                if grpc_server is not None:
                    draining.create_task(grpc_server.stop(spec.drain_seconds), name="drain grpc")
        sweeping.cancel()
    http.close()
    await connections.close(FLUSH_SECONDS)
    if spec.http.path is not None:
        spec.http.path.unlink(missing_ok=True)


async def _listen(connections: Connections, address: Address) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    if address.path is not None:
        _remove_stale(address)
        before = os.umask(0o077)
        try:
            return await loop.create_unix_server(connections.make, str(address.path), backlog=BACKLOG)
        finally:
            os.umask(before)
    return await loop.create_server(connections.make, address.host, address.port, backlog=BACKLOG)


async def _start_grpc(model: ServedModel, spec: Spec, address: Address) -> grpc.aio.Server:
    server = grpc.aio.server(
        handlers=(Service(model),),
        options=(
            ("grpc.max_receive_message_length", spec.max_body_bytes + _GRPC_OVERHEAD),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ),
        maximum_concurrent_rpcs=BACKLOG,
    )
    server.add_insecure_port(str(address))
    await server.start()
    return server


def _remove_stale(address: Address) -> None:
    """Removes the socket of a process that was killed; binding would fail on it."""
    if address.path is not None and address.path.is_socket():
        address.path.unlink()
