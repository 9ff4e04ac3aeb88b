"""The connection to a SQLite database, which may be left in the middle of anything: a call can be cancelled."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import aiosqlite


class SqliteConnection(aiosqlite.Connection):
    """Ends once, tells all who ask, and leaves no lock behind.

    Where a call is cancelled, and again while SQLAlchemy closes the call's connection, that is closed twice at the same
    time. aiosqlite then asks its thread twice to end; the thread answers the first request, and the other waits for
    ever: so would a process that is told to stop, which waits for all its tasks.

    A connection that is closed while a cursor of a cancelled call has rows left stays open inside SQLite, with its
    transaction and its lock, until Python happens to collect the cursor. Rolled back first, it holds nothing.
    """

    _ended: asyncio.Future[Any] | None = None

    async def close(self) -> None:
        """Rolls back and closes."""
        self._roll_back()
        await super().close()

    def stop(self) -> asyncio.Future[Any] | None:
        """Has the thread roll back and end; returns what is set then."""
        if self._ended is None:
            self._roll_back()
            self._ended = super().stop()
        return self._ended

    def _roll_back(self) -> None:
        if self._connection is not None:
            self._tx.put_nowait((None, self._connection.rollback))  # nobody waits for it


def connect(database: str, **options: Any) -> SqliteConnection:
    """Returns a connection to be awaited, as `aiosqlite.connect` does."""
    made = SqliteConnection(lambda: _open(database, options), iter_chunk_size=64)
    made._thread.daemon = True  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - SQLAlchemy does so to its own
    return made


def _open(database: str, options: dict[str, Any]) -> sqlite3.Connection:
    """Opens a database, in the connection's thread: whoever waits for it may be cancelled, this goes on to its end."""
    connection = sqlite3.connect(database, **options)
    # The driver's own BEGINs come too late (after the first read) and are never IMMEDIATE: `kea_core.database` begins.
    connection.isolation_level = None
    try:
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}").close()
    except sqlite3.Error:  # no database, or no room for one: nobody else knows of the connection yet
        connection.close()
        raise
    return connection
