"""Serving an ASGI application inside an event loop that others share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp


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
async def serve_http(app: ASGIApp, address: str, grace_seconds: float) -> AsyncGenerator[None, None]:
    """Serves `app` on `unix:PATH` or `HOST:PORT` until the end of the block, then lets accepted requests end."""
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
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(), name="portal")
        await server.listening.wait()  # where it cannot listen, its task fails and the group ends this wait
        try:
            yield
        finally:
            server.should_exit = True


def _place(address: str) -> tuple[str | None, str, int]:
    """Returns the path of a unix socket, or none, and the host and port that hold then."""
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)  # left behind by a process that is gone
        return str(path), "", 0
    host, _, port = address.rpartition(":")
    return None, host.strip("[]"), int(port)
