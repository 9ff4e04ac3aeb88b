"""Requests that may be sent twice (AIP-155)."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import sqlalchemy as sa
from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncSession

from kea_core.clock import Clock, utc_now
from kea_core.errors import RequestIdReused
from kea_core.principal import current_principal

KEPT = timedelta(days=1)


def request_table(metadata: sa.MetaData) -> sa.Table:
    """Adds the table of seen requests to `metadata`; the service's migrations make it."""
    return sa.Table(
        "requests",
        metadata,
        sa.Column("subject", sa.String(256), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("result", sa.String(512), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False, index=True),
    )


def digest_of(method: str, request: Message) -> str:
    """Returns what tells two requests apart: the method and every byte of the message."""
    return hashlib.sha256(method.encode() + b"\0" + request.SerializeToString(deterministic=True)).hexdigest()


class SeenRequests:
    """Remembers, for a day, which resource a request made."""

    def __init__(self, table: sa.Table, *, clock: Clock = utc_now) -> None:
        self._table = table
        self._clock = clock

    async def result(self, session: AsyncSession, request_id: str, digest: str) -> str | None:
        """Returns the name of what the same request made before, or None where it is new or has no id.

        Raises:
            RequestIdReused: the caller used the id for another request.
        """
        if not request_id:
            return None
        table = self._table
        query = sa.select(table.c.digest, table.c.result).where(
            table.c.subject == current_principal().subject,
            table.c.request_id == request_id.lower(),
            table.c.create_time >= self._clock() - KEPT,
        )
        row = (await session.execute(query)).one_or_none()
        if row is not None and row.digest != digest:
            raise RequestIdReused(request_id)
        return None if row is None else str(row.result)

    async def remember(self, session: AsyncSession, request_id: str, digest: str, result: str) -> None:
        """Notes, in the transaction that makes it, what a request made; forgets those older than a day."""
        if not request_id:
            return
        table, now = self._table, self._clock()
        await session.execute(sa.delete(table).where(table.c.create_time < now - KEPT))
        row = {
            "subject": current_principal().subject,
            "request_id": request_id.lower(),
            "digest": digest,
            "result": result,
            "create_time": now,
        }
        await session.execute(sa.insert(table).values(row))
