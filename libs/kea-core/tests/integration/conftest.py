from __future__ import annotations

import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def sockets() -> Generator[Path, None, None]:
    """A directory for unix sockets, whose paths are short: pytest's own directories are not."""
    with tempfile.TemporaryDirectory(prefix="kea") as made:
        yield Path(made)
