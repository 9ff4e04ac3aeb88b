from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kea_sdk import Client

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))

from command_line import Kea, command_line
from fake_gateway import FakeGateway


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of KEA's own, so that no test sees the platform of whoever runs it."""
    for name in ("KEA_URL", "KEA_TOKEN", "KEA_PROJECT", "KEA_DATA", "KEA_DEBUG", "KEA_DATABASE", "KEA_ENVOY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KEA_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "data").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short directory of its own, for sockets, that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as place:
        monkeypatch.setenv("XDG_RUNTIME_DIR", place)
        yield Path(place)


@pytest.fixture(scope="session")
def running_gateway() -> Iterator[FakeGateway]:
    with FakeGateway() as running:
        yield running


@pytest.fixture
def gateway(running_gateway: FakeGateway) -> FakeGateway:
    running_gateway.reset()
    return running_gateway


@pytest.fixture
def client(gateway: FakeGateway) -> Iterator[Client]:
    with Client(gateway.url, token=gateway.token) as made:
        yield made


@pytest.fixture
def kea(gateway: FakeGateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Kea:
    """The `kea` command against the fake gateway."""
    monkeypatch.setenv("KEA_URL", gateway.url)
    monkeypatch.setenv("KEA_TOKEN", gateway.token)
    return command_line(capsys)
