"""The life of the two servers: start, tell the deployer, wait for the signal, drain."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import grpc.aio
from granian.constants import Interfaces
from granian.server.embed import Server as Granian

from kea_runtime.http_app import HttpApp
from kea_runtime.methods import ServedModel
from kea_runtime.oip_grpc import Service
from kea_runtime.spec import Address, Spec

BACKLOG = 1024
"""Connections that wait to be accepted, and calls that granian has in hand at the same time."""

FLUSH_SECONDS = 1.0
"""Time for the last answers to leave, after the drain."""

_POLL_SECONDS = 0.005
_GRPC_OVERHEAD = 64 * 1024
"""What a message may have beside its tensors' bytes."""


async def serve(spec: Spec, model: ServedModel, on_ready: Callable[[], None]) -> None:
    """Serves until SIGTERM or SIGINT, then refuses new calls and finishes those in flight within `drain_seconds`."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = HttpApp(model, spec.max_body_bytes)
    http = _http_server(app, spec.http)
    grpc_server = None if spec.grpc is None else await _start_grpc(model, spec, spec.grpc)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(http.serve(), name="http")
        await _listening(spec.http)
        on_ready()
        await stop.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(spec.drain_seconds), asyncio.TaskGroup() as draining:
                draining.create_task(app.drain(), name="drain http")
                if grpc_server is not None:
                    draining.create_task(grpc_server.stop(spec.drain_seconds), name="drain grpc")
        http.stop()
        # Granian waits for its connections without end; calls that outlived the drain are given up here.
        await asyncio.wait({serving}, timeout=FLUSH_SECONDS)
        serving.cancel()


def _http_server(app: HttpApp, address: Address) -> Granian:
    if address.path is not None:
        _remove_stale(address)
    return Granian(
        app,
        address=address.host or "127.0.0.1",
        port=address.port,
        uds=address.path,
        interface=Interfaces.RSGI,
        websockets=False,
        backlog=BACKLOG,
        backpressure=BACKLOG,
        log_enabled=False,
    )


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


async def _listening(address: Address) -> None:
    """Waits until the HTTP socket takes connections; if the server fails instead, its task ends this one."""
    while True:
        with suppress(OSError), _connected(address):
            return
        await asyncio.sleep(_POLL_SECONDS)


def _connected(address: Address) -> socket.socket:
    if address.path is None:
        return socket.create_connection((address.host, address.port), timeout=1.0)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(address.path))
    return connection


def _remove_stale(address: Address) -> None:
    """Removes the socket of a process that was killed; binding would fail on it."""
    if address.path is not None and address.path.is_socket():
        address.path.unlink()
