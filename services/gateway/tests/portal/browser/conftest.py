from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

sys.path.insert(0, str(Path(__file__).parent))

from kea_core.testing.browser import Page, open_browser
from kea_gateway.portal.app import build_app
from kea_gateway.portal.memory_catalog import MemoryCatalog
from portal_site import Site
from session_site import SessionSite


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture
async def site(catalog: MemoryCatalog) -> AsyncGenerator[Site, None]:
    found = Site("")

    # In place of Envoy and a model server, which this package cannot start: the end-to-end tests have the real ones.
    async def predict(request: Request) -> JSONResponse:
        found.calls.append((request.headers.get("authorization"), await request.json()))
        return JSONResponse({"species": ["setosa"]})

    routes = [Route("/models/iris/predict", predict, methods=["POST"]), Mount("/", build_app(catalog))]
    async with serving(Starlette(routes=routes)) as found.origin:
        yield found


@pytest.fixture
async def sessions(catalog: MemoryCatalog) -> AsyncGenerator[SessionSite, None]:
    found = SessionSite()
    async with serving(found.app(catalog)) as found.origin:
        yield found


@asynccontextmanager
async def serving(app: Starlette) -> AsyncGenerator[str, None]:
    """Serves an application, and returns where."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True


@pytest.fixture
async def page() -> AsyncGenerator[Page, None]:
    async with open_browser() as opened:
        yield opened
