from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from kea_auth.audit.chain import Chain, Limits

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))

from audit_batches import Clock, OpenChain


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def open_chain(directory: Path, clock: Clock) -> Generator[OpenChain, None, None]:
    """Opens a chain of its own directory; closed at the end."""
    opened: list[Chain] = []

    def open_one(**limits: int) -> Chain:
        opened.append(Chain(directory / "000", Limits(**limits), clock))
        return opened[-1]

    yield open_one
    for chain in opened:
        chain.close()
