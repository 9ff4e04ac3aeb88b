"""Endpoints in a database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from kea_core.change_feed import Change, ChangeFeed, Synced
from kea_core.clock import as_utc
from kea_core.database import Sessions, among, is_unique_violation
from kea_core.idempotency import SeenRequests
from kea_core.pages import Page
from kea_core.resource_name import parse_name
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kea_router.domain.endpoint import Endpoint, Retry, Target
from kea_router.domain.errors import EndpointExists
from kea_router.domain.revision import EndpointRevision
from kea_router.store.limits_rows import limits_of, limits_value
from kea_router.store.revision_rows import revision_of, row_of
from kea_router.store.tables import ENDPOINTS, FEED, REVISIONS

COLLECTION = "endpoints"


class SqlEndpointStore:
    """Implements `kea_router.domain.ports.EndpointStore`."""

    def __init__(self, sessions: Sessions, feed: ChangeFeed, requests: SeenRequests) -> None:
        self._sessions = sessions
        self._feed = feed
        self._requests = requests

    @asynccontextmanager
    async def transaction(self, *, commit: bool = True) -> AsyncGenerator[SqlEndpointTransaction, None]:
        """Opens a transaction. One at a time, so that what is read (an etag, a request id) holds until it commits."""
        async with self._sessions.transaction() as session:
            # SQLite has no such lock and needs none: its transactions write one at a time by themselves.
            await session.execute(sa.select(FEED.head.c.revision).with_for_update())
            yield SqlEndpointTransaction(session, self._feed, self._requests)
            if not commit:
                await session.rollback()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqlEndpointTransaction, None]:
        """Opens a transaction that only reads."""
        async with self._sessions.reading() as session:
            yield SqlEndpointTransaction(session, self._feed, self._requests)

    def watch(self, since: int) -> AsyncIterator[Change | Synced]:
        """Follows the changes of all endpoints."""
        return self._feed.watch(COLLECTION, since)


class SqlEndpointTransaction:
    """Implements `kea_router.domain.ports.EndpointTransaction`."""

    def __init__(self, session: AsyncSession, feed: ChangeFeed, requests: SeenRequests) -> None:
        self._session = session
        self._feed = feed
        self._requests = requests

    async def get(self, name: str) -> Endpoint | None:
        """Returns the endpoint, or None."""
        row = (await self._session.execute(sa.select(ENDPOINTS).where(ENDPOINTS.c.name == name))).one_or_none()
        return None if row is None else _endpoint(row)

    async def page(self, project: str, page: Page) -> list[Endpoint]:
        """Returns up to `page.size` + 1 endpoints of a project by name."""
        query = (
            sa.select(ENDPOINTS)
            .where(ENDPOINTS.c.project == project, ENDPOINTS.c.name > page.after, among(ENDPOINTS.c.name, page.only))
            .order_by(ENDPOINTS.c.name)
            .limit(page.size + 1)
        )
        return [_endpoint(row) for row in await self._session.execute(query)]

    async def add(self, endpoint: Endpoint) -> Endpoint:
        """Adds an endpoint."""
        made = replace(endpoint, revision=await self._feed.record(self._session, COLLECTION, endpoint.name))
        try:
            await self._session.execute(sa.insert(ENDPOINTS).values(_row(made)))
        except IntegrityError as error:
            if is_unique_violation(error):
                raise EndpointExists(endpoint.name) from error
            raise
        return made

    async def replace(self, endpoint: Endpoint) -> Endpoint:
        """Writes an endpoint that is there."""
        made = replace(endpoint, revision=await self._feed.record(self._session, COLLECTION, endpoint.name))
        await self._session.execute(sa.update(ENDPOINTS).where(ENDPOINTS.c.name == made.name).values(_row(made)))
        return made

    async def remove(self, name: str) -> None:
        """Removes an endpoint that is there, and its revisions."""
        await self._feed.record(self._session, COLLECTION, name, deleted=True)
        await self._session.execute(sa.delete(REVISIONS).where(REVISIONS.c.endpoint == name))
        await self._session.execute(sa.delete(ENDPOINTS).where(ENDPOINTS.c.name == name))

    async def revisions(self, endpoint: str, *, before: int | None, count: int) -> list[EndpointRevision]:
        """Returns up to `count` revisions of an endpoint, newest first; with `before`, of lower numbers."""
        query = sa.select(REVISIONS).where(REVISIONS.c.endpoint == endpoint)
        if before is not None:
            query = query.where(REVISIONS.c.number < before)
        found = await self._session.execute(query.order_by(REVISIONS.c.number.desc()).limit(count))
        return [revision_of(row) for row in found]

    async def add_revision(self, revision: EndpointRevision) -> None:
        """Adds a revision."""
        await self._session.execute(sa.insert(REVISIONS).values(row_of(revision)))

    async def forget_revisions(self, endpoint: str, *, upto: int) -> None:
        """Removes an endpoint's revisions up to a number, and that one."""
        old = sa.and_(REVISIONS.c.endpoint == endpoint, REVISIONS.c.number <= upto)
        await self._session.execute(sa.delete(REVISIONS).where(old))

    async def result(self, request_id: str, digest: str) -> str | None:
        """Returns what the same request made before."""
        return await self._requests.result(self._session, request_id, digest)

    async def remember(self, request_id: str, digest: str, result: str) -> None:
        """Notes what a request made."""
        await self._requests.remember(self._session, request_id, digest, result)


def _row(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "project": parse_name(endpoint.name, "projects", "endpoints")[0],
        "targets": [[target.deployment, target.weight] for target in endpoint.targets],
        "timeout_seconds": endpoint.timeout_seconds,
        "retry": endpoint.retry.value,
        "limits": limits_value(endpoint.limits),
        "revision": endpoint.revision,
        "create_time": endpoint.create_time,
        "update_time": endpoint.update_time,
        "managed_by": endpoint.managed_by,
    }


def _endpoint(row: sa.Row[Any]) -> Endpoint:
    return Endpoint(
        name=row.name,
        targets=tuple(Target(deployment, weight) for deployment, weight in row.targets),
        timeout_seconds=row.timeout_seconds,
        retry=Retry(row.retry),
        limits=limits_of(row.limits),
        revision=row.revision,
        create_time=as_utc(row.create_time),
        update_time=as_utc(row.update_time),
        managed_by=row.managed_by,
    )
