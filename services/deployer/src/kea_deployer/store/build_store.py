"""Builds in a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from kea_core.audit_call import changed
from kea_core.database import Sessions
from kea_core.idempotency import SeenRequests
from kea_core.pages import Page
from sqlalchemy.ext.asyncio import AsyncSession

from kea_deployer.domain.build import Build, BuildState
from kea_deployer.store import build_rows
from kea_deployer.store.tables import BUILDS, FEED

BRIEF = [column for column in BUILDS.c if column is not BUILDS.c.locks]
"""What lists are made of: locks are large, and of interest one at a time."""


class SqlBuildStore:
    """Implements `kea_deployer.domain.build_ports.BuildStore`."""

    def __init__(self, sessions: Sessions, requests: SeenRequests) -> None:
        self._sessions = sessions
        self._requests = requests
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def transaction(self, *, commit: bool = True) -> AsyncGenerator[SqlBuildTransaction, None]:
        """Opens a transaction. One at a time, so that what is read (a state, how many wait) holds until it commits."""
        async with self._sessions.transaction() as session:
            # SQLite has no such lock and needs none: its transactions write one at a time by themselves.
            await session.execute(sa.select(FEED.head.c.revision).with_for_update())
            yield SqlBuildTransaction(session, self._requests)
            if not commit:
                await session.rollback()
        if commit:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqlBuildTransaction, None]:
        """Opens a transaction that only reads."""
        async with self._sessions.reading() as session:
            yield SqlBuildTransaction(session, self._requests)

    def next_change(self) -> asyncio.Event:
        """Returns what is set when this process changes something next."""
        return self._changed


class SqlBuildTransaction:
    """Implements `kea_deployer.domain.build_ports.BuildTransaction`."""

    def __init__(self, session: AsyncSession, requests: SeenRequests) -> None:
        self._session = session
        self._requests = requests

    async def get(self, name: str) -> Build | None:
        """Returns the build, or None."""
        return await self._one(BUILDS.c.name == name)

    async def page(self, project: str, page: Page) -> list[Build]:
        """Returns up to `page.size` + 1 builds of a project, newest first, without their locks."""
        query = sa.select(*BRIEF).where(BUILDS.c.project == project)
        if page.after:
            query = query.where(BUILDS.c.name < page.after)
        return await self._read(query.order_by(BUILDS.c.name.desc()).limit(page.size + 1))

    async def queued(self) -> list[Build]:
        """Returns the builds of all projects that wait, oldest first."""
        return await self._in(BuildState.QUEUED)

    async def running(self) -> list[Build]:
        """Returns the builds of all projects that run, oldest first."""
        return await self._in(BuildState.RUNNING)

    async def names(self) -> list[str]:
        """Returns the names of all builds of all projects."""
        return list((await self._session.execute(sa.select(BUILDS.c.name))).scalars())

    async def ended_before(self, moment: datetime) -> list[Build]:
        """Returns the builds that had ended before a moment, without their locks."""
        return await self._read(sa.select(*BRIEF).where(BUILDS.c.end_time < moment))

    async def add(self, build: Build) -> None:
        """Adds a build."""
        changed(build.name)
        await self._session.execute(sa.insert(BUILDS).values(build_rows.of_build(build)))

    async def replace(self, build: Build) -> None:
        """Writes a build that is there."""
        changed(build.name)
        update = sa.update(BUILDS).where(BUILDS.c.name == build.name)
        await self._session.execute(update.values(build_rows.of_build(build)))

    async def remove(self, name: str) -> None:
        """Removes a build that is there."""
        changed(name, deleted=True)
        await self._session.execute(sa.delete(BUILDS).where(BUILDS.c.name == name))

    async def of_operation(self, operation: str) -> Build | None:
        """Returns the build that an operation is of, or None."""
        return await self._one(BUILDS.c.operation == operation)

    async def operation_page(self, project: str, page: Page) -> list[Build]:
        """Returns up to `page.size` + 1 builds of a project by their operations' names, without their locks."""
        query = sa.select(*BRIEF).where(BUILDS.c.project == project, BUILDS.c.operation > page.after)
        return await self._read(query.order_by(BUILDS.c.operation).limit(page.size + 1))

    async def result(self, request_id: str, digest: str) -> str | None:
        """Returns what the same request made before."""
        return await self._requests.result(self._session, request_id, digest)

    async def remember(self, request_id: str, digest: str, result: str) -> None:
        """Notes what a request made."""
        await self._requests.remember(self._session, request_id, digest, result)

    async def _in(self, state: BuildState) -> list[Build]:
        query = sa.select(BUILDS).where(BUILDS.c.state == state.value)
        return await self._read(query.order_by(BUILDS.c.create_time, BUILDS.c.name))

    async def _one(self, condition: sa.ColumnElement[bool]) -> Build | None:
        found = await self._read(sa.select(BUILDS).where(condition))
        return found[0] if found else None

    async def _read(self, query: sa.Select[Any]) -> list[Build]:
        return [build_rows.build(row) for row in await self._session.execute(query)]
