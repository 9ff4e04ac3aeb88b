"""Signing keys in the database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime

import sqlalchemy as sa
from kea_core.change_feed import ChangeFeed, Synced
from kea_core.clock import as_utc
from kea_core.database import Sessions, is_unique_violation
from kea_core.errors import RevisionExpired
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.domain.errors import SigningKeyRaced
from kea_auth.domain.signing_key import SigningKey
from kea_auth.store.api_key_store import needed_signing_keys
from kea_auth.store.tables import SIGNING_KEYS

COLLECTION = "signing_keys"


class SqlKeyTransaction:
    """`KeyTransaction` within one session."""

    def __init__(self, session: AsyncSession, feed: ChangeFeed) -> None:
        self._session = session
        self._feed = feed

    async def keys(self) -> list[SigningKey]:
        """Returns all keys."""
        return await _keys(self._session)

    async def needed(self) -> dict[str, datetime]:
        """Returns when the last API key that is not revoked expires, by the `kid` of the key that signed it."""
        return await needed_signing_keys(self._session)

    async def add(self, key: SigningKey) -> None:
        """Adds a key."""
        row = {
            "number": key.number,
            "kid": key.kid,
            "private_bytes": key.private_bytes,
            "create_time": key.create_time,
            "activate_time": key.activate_time,
        }
        try:
            await self._session.execute(sa.insert(SIGNING_KEYS).values(row))
        except IntegrityError as error:
            if is_unique_violation(error):
                raise SigningKeyRaced from error
            raise
        await self._feed.record(self._session, COLLECTION, key.kid)

    async def remove(self, key: SigningKey) -> None:
        """Removes a key."""
        await self._session.execute(sa.delete(SIGNING_KEYS).where(SIGNING_KEYS.c.kid == key.kid))
        await self._feed.record(self._session, COLLECTION, key.kid, deleted=True)


class SqlKeyStore:
    """`KeyStore` on SQLite or PostgreSQL."""

    def __init__(self, sessions: Sessions, feed: ChangeFeed) -> None:
        self._sessions = sessions
        self._feed = feed

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqlKeyTransaction, None]:
        """Runs a transaction."""
        async with self._sessions.transaction() as session:
            yield SqlKeyTransaction(session, self._feed)

    async def keys(self) -> list[SigningKey]:
        """Returns all keys."""
        async with self._sessions.reading() as session:
            return await _keys(session)

    async def needed(self) -> dict[str, datetime]:
        """Returns when the last API key that is not revoked expires, by the `kid` of the key that signed it."""
        async with self._sessions.reading() as session:
            return await needed_signing_keys(session)

    async def watch(self, since: int) -> AsyncIterator[int]:
        """Yields a revision after each change of the keys."""
        since = max(since, 0)
        while True:
            try:
                async with aclosing(self._watch(since)) as revisions:
                    async for revision in revisions:
                        yield revision
            except RevisionExpired:
                since = 0  # who watches gets the whole set each time, so no removal can be missed

    async def _watch(self, since: int) -> AsyncGenerator[int, None]:
        changed = since == 0
        async for change in self._feed.watch(COLLECTION, since):
            if not isinstance(change, Synced):
                changed = True
            elif changed:
                changed = False
                yield change.revision


async def _keys(session: AsyncSession) -> list[SigningKey]:
    rows = await session.execute(sa.select(SIGNING_KEYS).order_by(SIGNING_KEYS.c.number))
    return [
        SigningKey(
            number=row.number,
            kid=row.kid,
            private_bytes=bytes(row.private_bytes),
            create_time=as_utc(row.create_time),
            activate_time=as_utc(row.activate_time),
        )
        for row in rows
    ]
