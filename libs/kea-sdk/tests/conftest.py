from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kea_sdk import Client

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))

from fake_gateway import FakeGateway


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of KEA's own, so that no test sees the platform of whoever runs it."""
    for name in ("KEA_URL", "KEA_TOKEN", "KEA_PROJECT", "KEA_DATA", "KEA_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KEA_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "data").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with FakeGateway() as running:
        yield running


@pytest.fixture
def client(gateway: FakeGateway) -> Iterator[Client]:
    with Client(gateway.url, token=gateway.token) as made:
        yield made
