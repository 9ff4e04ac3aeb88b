"""The connection to a SQLite database that may be closed by several at once."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import aiosqlite


class SqliteConnection(aiosqlite.Connection):
    """Ends once, and tells all who ask.

    Where a call is cancelled, and again while SQLAlchemy closes the call's connection, that is closed twice at the same
    time. aiosqlite then asks its thread twice to end; the thread answers the first request, and the other waits for
    ever: so would a process that is told to stop, which waits for all its tasks.
    """

    _ended: asyncio.Future[Any] | None = None

    def stop(self) -> asyncio.Future[Any] | None:
        """Has the thread end; returns what is set then."""
        if self._ended is None:
            self._ended = super().stop()
        return self._ended


def connect(database: str, **options: Any) -> SqliteConnection:
    """Returns a connection to be awaited, as `aiosqlite.connect` does."""
    made = SqliteConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
    made._thread.daemon = True  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - SQLAlchemy does so to its own
    return made
