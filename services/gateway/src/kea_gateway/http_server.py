"""Serving an ASGI application inside an event loop that others share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

LOOK_SECONDS = 0.01


class _Server(uvicorn.Server):
    """Leaves signals to the process that it is a part of."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def serve_http(app: ASGIApp, address: str, grace_seconds: float) -> AsyncGenerator[None, None]:
    """Serves `app` on `unix:PATH` or `HOST:PORT` until the end of the block, then lets accepted requests end."""
    where = _where(address)
    config = uvicorn.Config(
        app, **where, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=round(grace_seconds)
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(), name="portal")
        while not server.started and not serving.done():  # uvicorn tells by a flag only
            await asyncio.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            server.should_exit = True


def _where(address: str) -> dict[str, str | int]:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)  # left behind by a process that is gone
        return {"uds": str(path)}
    host, _, port = address.rpartition(":")
    return {"host": host.strip("[]"), "port": int(port)}
