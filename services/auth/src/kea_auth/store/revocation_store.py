"""Revocations in the database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from kea_core.change_feed import ChangeFeed
from kea_core.clock import as_utc
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.domain.revocation import Revocation, revocation_name
from kea_auth.store.tables import POLICY, REVOCATIONS

TABLE = REVOCATIONS


class SqlRevocationStore:
    """`RevocationStore` within one session."""

    def __init__(self, session: AsyncSession, feed: ChangeFeed) -> None:
        self._session = session
        self._feed = feed

    async def get(self, revoked: str) -> Revocation | None:
        """Returns the revocation of an id."""
        row = (await self._session.execute(sa.select(TABLE).where(TABLE.c.id == revoked))).one_or_none()
        if row is None:
            return None
        expires = None if row.expire_time is None else as_utc(row.expire_time)
        return Revocation(row.id, expires, as_utc(row.create_time), row.creator)

    async def among(self, ids: Collection[str]) -> frozenset[str]:
        """Returns those of some ids that are revoked."""
        if not ids:
            return frozenset()
        query = sa.select(TABLE.c.id).where(TABLE.c.id.in_(sorted(ids)))
        return frozenset((await self._session.execute(query)).scalars())

    async def count_by(self, creator: str) -> int:
        """Returns how many a subject has made."""
        query = sa.select(sa.func.count()).select_from(TABLE).where(TABLE.c.creator == creator)
        return (await self._session.execute(query)).scalar_one()

    async def expired(self, now: datetime, most: int) -> list[str]:
        """Returns ids of some that have expired."""
        query = sa.select(TABLE.c.id).where(TABLE.c.expire_time <= now).order_by(TABLE.c.expire_time).limit(most)
        return list((await self._session.execute(query)).scalars())

    async def put(self, revocation: Revocation) -> None:
        """Writes a revocation. How long it lasts is told to nobody, so another time is no change of the policy."""
        values = {
            "expire_time": revocation.expire_time,
            "create_time": revocation.create_time,
            "creator": revocation.creator,
        }
        update = sa.update(TABLE).where(TABLE.c.id == revocation.id).values(values).returning(TABLE.c.id)
        if (await self._session.execute(update)).first() is not None:
            return
        await self._session.execute(sa.insert(TABLE).values({"id": revocation.id, **values}))
        await self._feed.record(self._session, POLICY, revocation.name)

    async def remove(self, revoked: str) -> None:
        """Removes a revocation."""
        gone = sa.delete(TABLE).where(TABLE.c.id == revoked).returning(TABLE.c.id)
        if (await self._session.execute(gone)).first() is not None:
            await self._feed.record(self._session, POLICY, revocation_name(revoked), deleted=True)
