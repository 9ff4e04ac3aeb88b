"""Serving an ASGI application inside an event loop that others share. Who uses it brings `uvicorn` along."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from kea_core.settings import SettingsError
from kea_core.tls import Tls

log = logging.getLogger(__name__)

EVERYWHERE = "::"
RENEW_SECONDS = 60.0
"""How often a certificate is looked at again."""


class _Server(uvicorn.Server):
    """Says when it listens, and leaves signals to the process that it is a part of."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens the sockets."""
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def serve_http(
    app: Any, address: str, grace_seconds: float, *, name: str, tls: Tls | None = None
) -> AsyncGenerator[None, None]:
    """Serves `app` on `unix:PATH` or `HOST:PORT` until the end of the block, then lets accepted requests end.

    `[::]:PORT` is every address of this machine, those of IPv4 too, as it is for gRPC servers.
    With `tls` it takes, at `HOST:PORT`, only clients with a certificate of an authority, as gRPC servers do.
    """
    path, host, port = _place(address)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        uds=path,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=round(grace_seconds),
    )
    config.load()
    encrypted = tls is not None and path is None
    if encrypted and tls is not None:
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        config.ssl.verify_mode = ssl.CERT_REQUIRED
        tls.load_into(config.ssl)
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(_everywhere(port) if host == EVERYWHERE else None), name=name)
        await server.listening.wait()  # where it cannot listen, its task fails and the group ends this wait
        renewing = tasks.create_task(_renew(tls, config.ssl)) if encrypted and tls is not None and config.ssl else None
        try:
            yield
        finally:
            server.should_exit = True
            if renewing is not None:
                renewing.cancel()


async def _renew(tls: Tls, context: ssl.SSLContext) -> None:
    """Gives new connections the certificate that is good then."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            tls.load_into(context)
        except SettingsError:
            log.exception("certificate not renewed")


def _everywhere(port: int) -> list[socket.socket]:
    """Returns a socket for IPv6 and IPv4; one that asyncio opens for `::` would take IPv6 alone."""
    if socket.has_dualstack_ipv6():
        return [socket.create_server((EVERYWHERE, port), family=socket.AF_INET6, dualstack_ipv6=True)]
    return [socket.create_server(("", port))]  # a machine without IPv6


def _place(address: str) -> tuple[str | None, str, int]:
    """Returns the path of a unix socket, or none, and the host and port that hold then."""
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)  # left behind by a process that is gone
        return str(path), "", 0
    host, _, port = address.rpartition(":")
    return None, host.strip("[]"), int(port)
