"""Deployments, and the operations on them, in a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from kea_core.change_feed import Change, ChangeFeed, Synced
from kea_core.database import Sessions, among, is_unique_violation
from kea_core.idempotency import SeenRequests
from kea_core.pages import Page
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kea_deployer.domain.deployment import Deployment
from kea_deployer.domain.errors import DeploymentExists
from kea_deployer.domain.operation import Operation
from kea_deployer.store import rows
from kea_deployer.store.tables import DEPLOYMENTS, FEED, OPERATIONS, REPLICAS

COLLECTION = "deployments"
BOUND_NAMES = 500
"""Names in one query: databases bound the number of parameters."""


class SqlDeploymentStore:
    """Implements `kea_deployer.domain.ports.DeploymentStore`."""

    def __init__(self, sessions: Sessions, feed: ChangeFeed, requests: SeenRequests) -> None:
        self._sessions = sessions
        self._feed = feed
        self._requests = requests

    @asynccontextmanager
    async def transaction(self, *, commit: bool = True) -> AsyncGenerator[SqlDeploymentTransaction, None]:
        """Opens a transaction. One at a time, so that what is read (an etag, a status) holds until it commits."""
        async with self._sessions.transaction() as session:
            # SQLite has no such lock and needs none: its transactions write one at a time by themselves.
            await session.execute(sa.select(FEED.head.c.revision).with_for_update())
            yield SqlDeploymentTransaction(session, self._feed, self._requests)
            if not commit:
                await session.rollback()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqlDeploymentTransaction, None]:
        """Opens a transaction that only reads."""
        async with self._sessions.reading() as session:
            yield SqlDeploymentTransaction(session, self._feed, self._requests)

    def watch(self, since: int) -> AsyncIterator[Change | Synced]:
        """Follows the changes of all deployments."""
        return self._feed.watch(COLLECTION, since)

    def next_change(self) -> asyncio.Event:
        """Returns what is set when this process changes something next."""
        return self._feed.next_change()

    async def forget_operations(self, before: datetime) -> None:
        """Removes the operations that ended before a moment."""
        async with self._sessions.transaction() as session:
            await session.execute(sa.delete(OPERATIONS).where(OPERATIONS.c.end_time < before))


class SqlDeploymentTransaction:
    """Implements `kea_deployer.domain.ports.DeploymentTransaction`."""

    def __init__(self, session: AsyncSession, feed: ChangeFeed, requests: SeenRequests) -> None:
        self._session = session
        self._feed = feed
        self._requests = requests

    async def get(self, name: str) -> Deployment | None:
        """Returns the deployment, or None."""
        found = await self._read(sa.select(DEPLOYMENTS).where(DEPLOYMENTS.c.name == name))
        return found[0] if found else None

    async def page(self, project: str, page: Page) -> list[Deployment]:
        """Returns up to `page.size` + 1 deployments of a project by name."""
        return await self._read(
            sa.select(DEPLOYMENTS)
            .where(
                DEPLOYMENTS.c.project == project, DEPLOYMENTS.c.name > page.after, among(DEPLOYMENTS.c.name, page.only)
            )
            .order_by(DEPLOYMENTS.c.name)
            .limit(page.size + 1)
        )

    async def all(self) -> list[Deployment]:
        """Returns the deployments of all projects."""
        return await self._read(sa.select(DEPLOYMENTS).order_by(DEPLOYMENTS.c.name))

    async def add(self, deployment: Deployment) -> Deployment:
        """Adds a deployment."""
        made = replace(deployment, wanted_revision=await self._record(deployment.name))
        try:
            await self._session.execute(sa.insert(DEPLOYMENTS).values(rows.of_deployment(made)))
        except IntegrityError as error:
            if is_unique_violation(error):
                raise DeploymentExists(deployment.name) from error
            raise
        return made

    async def replace(self, deployment: Deployment, *, wanted: bool) -> Deployment:
        """Writes a deployment that is there, and its replicas."""
        revision = await self._record(deployment.name)
        made = replace(deployment, wanted_revision=revision) if wanted else deployment
        update = sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.name == made.name)
        await self._session.execute(update.values(rows.of_deployment(made)))
        await self._session.execute(sa.delete(REPLICAS).where(REPLICAS.c.deployment == made.name))
        if made.status.replicas:
            replicas = [rows.of_replica(made.name, replica) for replica in made.status.replicas]
            await self._session.execute(sa.insert(REPLICAS), replicas)
        return made

    async def remove(self, name: str) -> None:
        """Removes a deployment that is there."""
        await self._feed.record(self._session, COLLECTION, name, deleted=True)
        await self._session.execute(sa.delete(REPLICAS).where(REPLICAS.c.deployment == name))
        await self._session.execute(sa.delete(DEPLOYMENTS).where(DEPLOYMENTS.c.name == name))

    async def operation(self, name: str) -> Operation | None:
        """Returns an operation, or None."""
        row = (await self._session.execute(sa.select(OPERATIONS).where(OPERATIONS.c.name == name))).one_or_none()
        return None if row is None else rows.operation(row)

    async def operation_page(self, project: str, page: Page) -> list[Operation]:
        """Returns up to `page.size` + 1 operations of a project by name."""
        query = (
            sa.select(OPERATIONS)
            .where(OPERATIONS.c.project == project, OPERATIONS.c.name > page.after)
            .order_by(OPERATIONS.c.name)
            .limit(page.size + 1)
        )
        return [rows.operation(row) for row in await self._session.execute(query)]

    async def unfinished(self, deployment: str) -> list[Operation]:
        """Returns the operations on a deployment that have not ended, oldest first."""
        query = (
            sa.select(OPERATIONS)
            .where(OPERATIONS.c.deployment == deployment, OPERATIONS.c.done.is_(False))
            .order_by(OPERATIONS.c.create_time, OPERATIONS.c.name)
        )
        return [rows.operation(row) for row in await self._session.execute(query)]

    async def put_operation(self, operation: Operation) -> None:
        """Writes an operation, new or not."""
        await self._session.execute(sa.delete(OPERATIONS).where(OPERATIONS.c.name == operation.name))
        await self._session.execute(sa.insert(OPERATIONS).values(rows.of_operation(operation)))

    async def remove_operation(self, name: str) -> None:
        """Removes an operation that is there."""
        await self._session.execute(sa.delete(OPERATIONS).where(OPERATIONS.c.name == name))

    async def result(self, request_id: str, digest: str) -> str | None:
        """Returns what the same request made before."""
        return await self._requests.result(self._session, request_id, digest)

    async def remember(self, request_id: str, digest: str, result: str) -> None:
        """Notes what a request made."""
        await self._requests.remember(self._session, request_id, digest, result)

    async def _record(self, name: str) -> int:
        return await self._feed.record(self._session, COLLECTION, name)

    async def _read(self, query: sa.Select[Any]) -> list[Deployment]:
        """Returns the deployments of a query, each with its replicas."""
        found = list(await self._session.execute(query))
        replicas: dict[str, list[sa.Row[Any]]] = {row.name: [] for row in found}
        names = list(replicas)
        for start in range(0, len(names), BOUND_NAMES):
            some = REPLICAS.c.deployment.in_(names[start : start + BOUND_NAMES])
            for row in await self._session.execute(sa.select(REPLICAS).where(some).order_by(REPLICAS.c.number)):
                replicas[row.deployment].append(row)
        return [rows.deployment(row, replicas[row.name]) for row in found]
