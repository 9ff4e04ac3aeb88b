from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

# Tests are not packages (import mode importlib), so the models they share are found by path.
sys.path.insert(0, str(Path(__file__).parent))

from kea_gateway.portal.app import build_app
from kea_gateway.portal.memory_catalog import MemoryCatalog
from portal_models import ALL


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog(ALL)


@pytest.fixture
async def client(catalog: MemoryCatalog) -> AsyncGenerator[httpx.AsyncClient, None]:
    transport = httpx.ASGITransport(build_app(catalog))
    async with httpx.AsyncClient(transport=transport, base_url="http://kea.test") as opened:
        yield opened
