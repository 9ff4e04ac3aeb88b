"""What both databases do differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession


async def insert_or(
    session: AsyncSession, table: sa.Table, row: Mapping[str, Any], update: Mapping[str, Any] | None = None
) -> bool:
    """Inserts a row; where its key is taken, updates those columns, or nothing. Returns whether anything was done."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).values(dict(row))
    keys = list(table.primary_key.columns)
    if update is None:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    else:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=dict(update))
    done = await session.execute(statement.returning(*keys))
    return done.first() is not None
