"""Events that were written with the change they tell of, and are still to be sent to the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from kea_core.audit_call import AuditRecord, collecting, current_call, events_of


def audit_table(metadata: sa.MetaData) -> sa.Table:
    """Adds the table of events to `metadata`; the service's migrations make it."""
    return sa.Table(
        "audit_events",
        metadata,
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False, index=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


class AuditOutbox:
    """Writes events within the transactions that make them true: both are there, or neither is.

    Args:
        table: of the service's own.
    """

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self.filled = asyncio.Event()
        """Set whenever something was written in this process."""

    @asynccontextmanager
    async def recording(self, session: AsyncSession) -> AsyncGenerator[None, None]:
        """Writes, at the end of a transaction, what the call that runs has changed in it."""
        with collecting() as changes:
            yield
            found = events_of(changes)
        if found:
            rows = [{"id": one.id, "time": one.time, "content": one.content} for one in found]
            await session.execute(sa.insert(self._table), rows)
            call = current_call()

            def committed(_session: object) -> None:
                if call is not None:
                    call.told += len(rows)
                self.filled.set()

            event.listen(session.sync_session, "after_commit", committed, once=True)

    async def oldest(self, session: AsyncSession, most: int) -> list[AuditRecord]:
        """Returns the events that wait for longest."""
        table = self._table
        query = sa.select(table.c.id, table.c.time, table.c.content).order_by(table.c.time, table.c.id).limit(most)
        return [AuditRecord(row.id, row.time, bytes(row.content)) for row in await session.execute(query)]

    async def remove(self, session: AsyncSession, sent: Sequence[AuditRecord]) -> None:
        """Forgets events that have arrived."""
        await session.execute(sa.delete(self._table).where(self._table.c.id.in_([one.id for one in sent])))

    async def count(self, session: AsyncSession) -> int:
        """Returns how many wait."""
        return int((await session.execute(sa.select(sa.func.count()).select_from(self._table))).scalar_one())
