"""Transactions over models, versions and requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kea_core.change_feed import ChangeFeed, Synced
from kea_core.database import Sessions, is_unique_violation
from kea_core.idempotency import SeenRequests
from kea_core.resource_name import parse_name
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kea_registry.domain.errors import RequestRaced
from kea_registry.domain.model import ModelKey
from kea_registry.domain.model_version import VersionKey
from kea_registry.domain.ports import Once, VersionChange
from kea_registry.store.model_store import SqlModelStore
from kea_registry.store.version_store import COLLECTION, SqlVersionStore


class SqlRequests:
    """`Requests` within one session."""

    def __init__(self, session: AsyncSession, seen: SeenRequests) -> None:
        self._session = session
        self._seen = seen

    async def result(self, once: Once) -> str | None:
        """Returns the name of what the same request made."""
        return await self._seen.result(self._session, once.request_id, once.digest)

    async def remember(self, once: Once, result: str) -> None:
        """Notes what a request makes."""
        try:
            await self._seen.remember(self._session, once.request_id, once.digest, result)
        except IntegrityError as error:
            if is_unique_violation(error):
                raise RequestRaced(once.request_id) from error
            raise


@dataclass(frozen=True, slots=True)
class SqlTransaction:
    """`Transaction` within one session."""

    models: SqlModelStore
    versions: SqlVersionStore
    requests: SqlRequests


class SqlStorage:
    """`Storage` on SQLite or PostgreSQL."""

    def __init__(self, sessions: Sessions, feed: ChangeFeed, seen: SeenRequests) -> None:
        self._sessions = sessions
        self._feed = feed
        self._seen = seen

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqlTransaction, None]:
        """Runs a transaction."""
        async with self._sessions.transaction() as session:
            yield self._on(session)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqlTransaction, None]:
        """Runs a transaction that only reads."""
        async with self._sessions.reading() as session:
            yield self._on(session)

    async def watch(self, since: int) -> AsyncIterator[VersionChange]:
        """Yields every change of versions after a revision."""
        async for change in self._feed.watch(COLLECTION, since):
            if isinstance(change, Synced):
                yield VersionChange(change.revision)
                continue
            project, model, number = parse_name(change.name, "projects", "models", "versions")
            key = VersionKey(ModelKey(project, model), int(number))
            if change.deleted:
                yield VersionChange(change.revision, deleted=key)
                continue
            async with self.reading() as transaction:
                version = await transaction.versions.get(key)
            if version is not None:  # else it has been deleted since; that change comes later
                yield VersionChange(change.revision, upserted=version)

    def _on(self, session: AsyncSession) -> SqlTransaction:
        return SqlTransaction(
            models=SqlModelStore(session),
            versions=SqlVersionStore(session, self._feed),
            requests=SqlRequests(session, self._seen),
        )
