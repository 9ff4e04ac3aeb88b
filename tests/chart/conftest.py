from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-chart", action="store_true", help="write what the chart renders, drop what is left over")
