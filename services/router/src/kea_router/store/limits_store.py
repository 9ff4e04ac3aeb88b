"""Limits of projects in a database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from kea_core.change_feed import Change, ChangeFeed, Synced
from kea_core.clock import as_utc
from kea_core.database import Sessions
from sqlalchemy.ext.asyncio import AsyncSession

from kea_router.domain.limits import ProjectLimits
from kea_router.store.limits_rows import rate_of, rate_value
from kea_router.store.tables import FEED, PROJECT_LIMITS

COLLECTION = "projectLimits"


class SqlProjectLimitsStore:
    """Implements `kea_router.domain.project_limits.ProjectLimitsStore`."""

    def __init__(self, sessions: Sessions, feed: ChangeFeed) -> None:
        self._sessions = sessions
        self._feed = feed

    @asynccontextmanager
    async def transaction(self, *, commit: bool = True) -> AsyncGenerator[SqlProjectLimitsTransaction, None]:
        """Opens a transaction. One at a time, so that an etag that was read holds until it commits."""
        async with self._sessions.transaction() as session:
            await session.execute(sa.select(FEED.head.c.revision).with_for_update())
            yield SqlProjectLimitsTransaction(session, self._feed)
            if not commit:
                await session.rollback()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqlProjectLimitsTransaction, None]:
        """Opens a transaction that only reads."""
        async with self._sessions.reading() as session:
            yield SqlProjectLimitsTransaction(session, self._feed)

    def watch(self, since: int) -> AsyncIterator[Change | Synced]:
        """Follows the changes of the limits of all projects."""
        return self._feed.watch(COLLECTION, since)


class SqlProjectLimitsTransaction:
    """Implements `kea_router.domain.project_limits.ProjectLimitsTransaction`."""

    def __init__(self, session: AsyncSession, feed: ChangeFeed) -> None:
        self._session = session
        self._feed = feed

    async def get(self, project: str) -> ProjectLimits:
        """Returns a project's limits; those of one for which nothing was ever set are empty."""
        query = sa.select(PROJECT_LIMITS).where(PROJECT_LIMITS.c.project == project)
        row = (await self._session.execute(query)).one_or_none()
        return ProjectLimits(project) if row is None else _limits(row)

    async def all(self) -> list[ProjectLimits]:
        """Returns those that were ever set, by project."""
        query = sa.select(PROJECT_LIMITS).order_by(PROJECT_LIMITS.c.project)
        return [_limits(row) for row in await self._session.execute(query)]

    async def put(self, limits: ProjectLimits) -> ProjectLimits:
        """Writes a project's limits."""
        made = replace(limits, revision=await self._feed.record(self._session, COLLECTION, limits.name))
        await self._session.execute(sa.delete(PROJECT_LIMITS).where(PROJECT_LIMITS.c.project == made.project))
        row = {
            "project": made.project,
            "total": rate_value(made.total),
            "max_concurrent_requests": made.max_concurrent_requests,
            "revision": made.revision,
            "update_time": made.update_time,
        }
        await self._session.execute(sa.insert(PROJECT_LIMITS).values(row))
        return made


def _limits(row: sa.Row[Any]) -> ProjectLimits:
    rate, most = rate_of(row.total), row.max_concurrent_requests
    return ProjectLimits(row.project, rate, most, row.revision, as_utc(row.update_time))
