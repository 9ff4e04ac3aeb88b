"""A platform with the iris model, shared by the tests that only call it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))

from platforms import EXAMPLES, RunningPlatform, save_iris, start, stop


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningPlatform, None, None]:
    """A platform in one process."""
    directory: Path = tmp_path_factory.mktemp("platform")
    running = start(directory / "data")
    try:
        yield running
    finally:
        stop(running)


@pytest.fixture(scope="session")
def iris(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> RunningPlatform:
    """The platform, with the iris model deployed."""
    model, example = save_iris(tmp_path_factory.mktemp("iris"))
    platform.kea("models", "push", "iris", str(model), "--example", str(example))
    platform.kea("deploy", "iris")
    return platform


@pytest.fixture(scope="session")
def grades(platform: RunningPlatform) -> RunningPlatform:
    """The platform, with the example Python class deployed."""
    platform.kea("models", "push", "grades", str(EXAMPLES / "grades" / "grades.py"))
    platform.kea("deploy", "grades")
    return platform
