"""Databases: SQLite for one machine, PostgreSQL for more; the same SQLAlchemy code on both."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import alembic.command
import alembic.config
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from kea_core import sqlite_connection
from kea_core.audit_outbox import AuditOutbox

log = logging.getLogger(__name__)

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, so that migrations can speak of them on every database."""

WAIT_SECONDS = 0.5
"""Time between two attempts to reach a database that is not there yet."""

_ALEMBIC = threading.Lock()
"""Alembic keeps the running migration in module globals: one at a time in a process, whatever databases they are on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where a service keeps its tables."""

    url: str
    """`sqlite:////path/file.db` or `postgresql://user:password@host/database`. Never logged: it may carry a
    password."""
    schema: str = ""
    """PostgreSQL schema of this service's tables, made when missing; SQLite has none. Empty: `public`."""
    pool_size: int = 5
    """Connections kept open; twice as many in a burst."""
    lock_timeout_seconds: float = 10.0
    """Longest wait for another transaction's lock before a call fails."""
    start_wait_seconds: float = 0.0
    """Longest wait, when the service starts, for a PostgreSQL that does not answer yet. 0: it has to."""

    def __repr__(self) -> str:
        try:
            url = make_url(self.url)
        except (ArgumentError, ValueError):
            return "DatabaseSettings(url=***)"  # whatever it is, a password may be in it
        shown = url.set(query={}).render_as_string(hide_password=True)  # drivers take passwords there as well
        return f"DatabaseSettings(url={shown!r}, schema={self.schema!r})"


class Sessions:
    """Opens transactions."""

    def __init__(self, engine: AsyncEngine, outbox: AuditOutbox | None = None) -> None:
        self.engine = engine
        self._outbox = outbox
        snapshot = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        reading = engine.execution_options(kea_read_only=True, **snapshot)
        self._make = async_sessionmaker(engine, expire_on_commit=False)
        self._make_reading = async_sessionmaker(reading, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession, None]:
        """Runs a transaction that commits at the end and rolls back on any exception."""
        async with self._make.begin() as session:
            if self._outbox is None:
                yield session
                return
            async with self._outbox.recording(session):
                yield session

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession, None]:
        """Runs a transaction that only reads, all of it as it was at one moment; it waits for no writer."""
        async with self._make_reading.begin() as session:
            yield session

    async def ping(self) -> None:
        """Checks that the database answers."""
        async with self.reading() as session:
            await session.execute(sa.text("SELECT 1"))


@asynccontextmanager
async def open_database(
    settings: DatabaseSettings, *, outbox: AuditOutbox | None = None
) -> AsyncGenerator[Sessions, None]:
    """Opens the engine and closes it at the end; connects at first use. With an outbox, changes are audited."""
    engine = make_engine(settings)
    try:
        yield Sessions(engine, outbox)
    finally:
        await engine.dispose()


def make_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Returns an engine with each database's way of being safe.

    Raises:
        ValueError: the URL is of neither database.
    """
    url = make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, settings)
    if url.get_backend_name() == "postgresql":
        return create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=settings.pool_size,
            max_overflow=settings.pool_size,
            pool_pre_ping=True,
            connect_args={"server_settings": _server_settings(settings)},
        )
    problem = f"{url.get_backend_name()} is not supported; expected sqlite or postgresql"
    raise ValueError(problem)


def _server_settings(settings: DatabaseSettings) -> dict[str, str]:
    lock = {"lock_timeout": str(int(settings.lock_timeout_seconds * 1000))}
    if not settings.schema:
        return lock
    quoted = settings.schema.replace('"', '""')
    return lock | {"search_path": f'"{quoted}"'}


def _sqlite_engine(url: URL, settings: DatabaseSettings) -> AsyncEngine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {"timeout": settings.lock_timeout_seconds, "async_creator_fn": sqlite_connection.connect}
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), connect_args=options)

    def begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later would fail where another has written in between; IMMEDIATE
        # waits.
        read_only = connection.get_execution_options().get("kea_read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    event.listen(engine.sync_engine, "begin", begin)
    return engine


async def migrate(settings: DatabaseSettings, migrations: Path) -> None:
    """Brings the tables to the newest revision in `migrations` (an Alembic script directory).

    Several processes may do so at once: on PostgreSQL an advisory lock lets one through at a time, on SQLite the
    transaction does. Tables of a newer revision than is known here are left alone: a release works beside the next
    one's tables, while it is replaced and when it comes back.
    """
    await _until_there(settings)
    while not _ALEMBIC.acquire(blocking=False):  # noqa: ASYNC110 - asyncio's locks and events belong to one event loop
        await asyncio.sleep(0.01)
    engine = make_engine(settings)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, settings, migrations)
            await connection.commit()
    finally:
        _ALEMBIC.release()
        await engine.dispose()


async def _until_there(settings: DatabaseSettings) -> None:
    """Returns once the database takes connections."""
    loop = asyncio.get_running_loop()
    latest = loop.time() + settings.start_wait_seconds
    while settings.start_wait_seconds:
        engine = make_engine(settings)
        try:
            async with engine.connect():
                return
        except Exception as error:
            if not _is_starting(error) or loop.time() + WAIT_SECONDS > latest:
                raise
            log.info("database is not there yet", extra={"cause": str(error)})
        finally:
            await engine.dispose()
        await asyncio.sleep(WAIT_SECONDS)


def _is_starting(error: Exception) -> bool:
    """Returns whether a database may be there soon. One that refuses a password, or does not have it, is there."""
    return isinstance(error, OSError) or getattr(error, "sqlstate", None) == "57P03"


def _upgrade(connection: sa.Connection, settings: DatabaseSettings, migrations: Path) -> None:
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"kea {settings.schema}".encode()).digest()[:8], "big", signed=True)
        # Another's migrations may take as long as they need; only what they themselves wait for is bounded.
        connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        connection.execute(sa.text("SET LOCAL lock_timeout TO DEFAULT"))
        if settings.schema:
            connection.execute(sa.schema.CreateSchema(settings.schema, if_not_exists=True))
    config = alembic_config(connection, migrations)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    if found <= known:
        alembic.command.upgrade(config, "head")
    else:
        log.warning("tables are of a newer release", extra={"revisions": sorted(found - known)})


def alembic_config(connection: sa.Connection, migrations: Path) -> alembic.config.Config:
    """Returns Alembic's configuration for a connection; the directory's `env.py` calls `kea_core.migration.run`."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def is_unique_violation(error: IntegrityError) -> bool:
    """Returns whether a unique or primary key constraint was hit, on either database."""
    cause = error.orig
    if getattr(cause, "sqlstate", None) == "23505":
        return True
    original = getattr(cause, "__cause__", None) or cause
    if getattr(original, "sqlstate", None) == "23505":
        return True
    codes = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
    return getattr(original, "sqlite_errorcode", None) in codes


def among(column: sa.ColumnElement[str], names: frozenset[str] | None) -> sa.ColumnElement[bool]:
    """Returns the condition that a column is one of the names; no condition where that is None."""
    return sa.true() if names is None else column.in_(sorted(names))
