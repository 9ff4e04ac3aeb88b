"""Which archives are needed, in the database."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime

import sqlalchemy as sa
from kea_core.clock import Clock
from kea_core.database import Sessions
from sqlalchemy.exc import IntegrityError

from kea_registry.store.rows import insert_or
from kea_registry.store.tables import ARTIFACT_CLAIMS, ARTIFACTS, MODEL_VERSIONS

UNNEEDED = (
    ~sa.exists().where(MODEL_VERSIONS.c.sha256 == ARTIFACTS.c.sha256),
    ~sa.exists().where(ARTIFACT_CLAIMS.c.sha256 == ARTIFACTS.c.sha256),
)


class SqlArchiveLedger:
    """`ArchiveLedger` on SQLite or PostgreSQL."""

    def __init__(self, sessions: Sessions, *, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def claim(self, sha256: str) -> str:
        """Keeps an archive from being removed."""
        claim = uuid.uuid4().hex
        async with self._sessions.transaction() as session:
            # An update that changes nothing, where the row is there: it waits for a removal that is under way, and
            # then makes the row anew.
            await insert_or(session, ARTIFACTS, {"sha256": sha256}, {"sha256": sha256})
            row = {"claim": claim, "sha256": sha256, "create_time": self._clock()}
            await session.execute(sa.insert(ARTIFACT_CLAIMS).values(row))
        return claim

    async def release(self, claim: str) -> None:
        """Gives a claim up."""
        async with self._sessions.transaction() as session:
            await session.execute(sa.delete(ARTIFACT_CLAIMS).where(ARTIFACT_CLAIMS.c.claim == claim))

    async def expire_claims(self, before: datetime) -> None:
        """Gives up old claims."""
        async with self._sessions.transaction() as session:
            await session.execute(sa.delete(ARTIFACT_CLAIMS).where(ARTIFACT_CLAIMS.c.create_time < before))

    async def unneeded(self) -> list[str]:
        """Returns archives that nothing needs."""
        async with self._sessions.reading() as session:
            query = sa.select(ARTIFACTS.c.sha256).where(*UNNEEDED).order_by(ARTIFACTS.c.sha256)
            return list((await session.execute(query)).scalars())

    @asynccontextmanager
    async def removing(self, sha256: str) -> AsyncGenerator[bool, None]:
        """Removes the row first: until the commit, whoever would refer to it waits."""
        removal = sa.delete(ARTIFACTS).where(ARTIFACTS.c.sha256 == sha256, *UNNEEDED).returning(ARTIFACTS.c.sha256)
        async with self._sessions.transaction() as session:
            try:
                unneeded = (await session.execute(removal)).first() is not None
            except IntegrityError:
                unneeded = False  # someone referred to it while this waited
                await session.rollback()
            yield unneeded
