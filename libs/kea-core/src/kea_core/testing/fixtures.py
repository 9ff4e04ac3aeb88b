"""Pytest fixtures: `database` is every kind in turn. Loaded by the root conftest."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from kea_core.database import DatabaseSettings
from kea_core.testing.databases import KINDS, database_settings, postgresql_server


@pytest.fixture(scope="session")
def postgresql() -> Generator[str, None, None]:
    """A PostgreSQL server for the whole run."""
    with postgresql_server() as url:
        yield url


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseSettings:
    """An empty database of its own, of each kind in turn."""
    kind = str(request.param)
    server = str(request.getfixturevalue("postgresql")) if kind == "postgresql" else None
    return database_settings(kind, tmp_path, server)
