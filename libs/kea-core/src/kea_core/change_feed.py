"""The change feed: a revision per write, and watches that resume.

Every change of a resource bumps the feed's one head row in the same transaction. That row's lock makes revisions
commit in their order, so a watcher that has seen revision n has seen all before it (a sequence would not do: numbers
drawn earlier may commit later). Kept is each resource's last change only; a watcher gets the resource as it is now.
Removals are kept for `TOMBSTONE_AGE`; who comes back later gets RevisionExpired and watches from 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from kea_core.audit_call import changed
from kea_core.clock import Clock, utc_now
from kea_core.database import Sessions
from kea_core.errors import RevisionExpired

TOMBSTONE_AGE = timedelta(days=7)
BATCH = 200
"""Changes read at once."""


@dataclass(frozen=True, slots=True)
class FeedTables:
    """The two tables of a feed, in a service's own metadata."""

    head: sa.Table
    """One row: `id` = 1, `revision` the last one, `horizon` below which removals are forgotten."""
    changes: sa.Table
    """A row per resource that ever was."""


def feed_tables(metadata: sa.MetaData) -> FeedTables:
    """Adds a feed's tables to `metadata`; the service's migrations make them, with the head row."""
    head = sa.Table(
        "change_feed_head",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("horizon", sa.BigInteger, nullable=False),
    )
    changes = sa.Table(
        "change_feed",
        metadata,
        sa.Column("collection", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False, unique=True),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    )
    return FeedTables(head, changes)


@dataclass(frozen=True, slots=True)
class Change:
    """A resource that has changed."""

    revision: int
    name: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Synced:
    """Everything up to `revision` has been given."""

    revision: int


class ChangeFeed:
    """Records changes and lets watchers follow them, also those made by other processes on the same database."""

    def __init__(
        self, sessions: Sessions, tables: FeedTables, *, poll_seconds: float = 0.5, clock: Clock = utc_now
    ) -> None:
        self._sessions = sessions
        self._tables = tables
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._changed = asyncio.Event()
        self._asking = asyncio.Lock()
        self._newest, self._newest_until = 0, 0.0

    async def record(self, session: AsyncSession, collection: str, name: str, *, deleted: bool = False) -> int:
        """Notes, within the caller's transaction, that a resource has changed; returns the revision.

        Watchers in this process are woken when the transaction commits; those elsewhere within `poll_seconds`.
        """
        changed(name if "/" in name else f"{collection}/{name}", deleted=deleted)
        head, changes = self._tables.head, self._tables.changes
        bump = sa.update(head).where(head.c.id == 1).values(revision=head.c.revision + 1).returning(head.c.revision)
        revision = (await session.execute(bump)).scalar_one()
        await session.execute(sa.delete(changes).where(changes.c.collection == collection, changes.c.name == name))
        row = {"collection": collection, "name": name, "revision": revision, "deleted": deleted, "time": self._clock()}
        await session.execute(sa.insert(changes).values(row))
        event.listen(session.sync_session, "after_commit", self._wake, once=True)
        return int(revision)

    def next_change(self) -> asyncio.Event:
        """Returns what is set when this process changes something next; take it before reading what may change."""
        return self._changed

    async def forget_old(self) -> None:
        """Drops removals older than `TOMBSTONE_AGE` and moves the horizon past them."""
        head, changes = self._tables.head, self._tables.changes
        old = (changes.c.deleted.is_(True), changes.c.time < self._clock() - TOMBSTONE_AGE)
        async with self._sessions.transaction() as session:
            newest = (await session.execute(sa.select(sa.func.max(changes.c.revision)).where(*old))).scalar()
            if newest is not None:
                await session.execute(sa.delete(changes).where(*old))
                await session.execute(sa.update(head).where(head.c.id == 1).values(horizon=newest))

    async def watch(self, collection: str, since: int) -> AsyncGenerator[Change | Synced, None]:
        """Yields every change of a collection after `since`, oldest first, then goes on for ever.

        From 0, removals before that are left out: there is nothing yet to remove. `Synced` follows whenever all there
        is was given, the first time also when there was nothing.

        Raises:
            RevisionExpired: removals after `since` are no longer all known, or `since` is of a feed that is gone.
        """
        last, told, began = since, False, None
        while True:
            changed = self._changed
            head, batch = await self._read(collection, last, whole=since == 0 and not told, began=began)
            began = head if began is None else began
            for change in batch:
                last = change.revision
                yield change
            if len(batch) == BATCH:
                continue
            if not told or batch or head > last:
                told, last = True, max(head, last)
                yield Synced(last)
            await self._wait(changed, head)

    async def _read(self, collection: str, since: int, *, whole: bool, began: int | None) -> tuple[int, list[Change]]:
        head, changes = self._tables.head, self._tables.changes
        query = (
            sa.select(changes.c.revision, changes.c.name, changes.c.deleted)
            .where(changes.c.collection == collection, changes.c.revision > since)
            .order_by(changes.c.revision)
            .limit(BATCH)
        )
        async with self._sessions.reading() as session:
            # The head first: what commits between the two reads is then given again, never passed over.
            row = (await session.execute(sa.select(head.c.revision, head.c.horizon).where(head.c.id == 1))).one()
            # A revision that is yet to come is of another database: a backup was restored, or all begun anew.
            if not whole and (0 < since < row.horizon or since > row.revision):
                raise RevisionExpired(since, row.horizon)
            if whole:
                # What was removed since the first read may have been given before.
                first = row.revision if began is None else began
                query = query.where(sa.or_(changes.c.deleted.is_(False), changes.c.revision > first))
            found = [Change(int(r.revision), r.name, r.deleted) for r in await session.execute(query)]
        return int(row.revision), found

    async def _wait(self, changed: asyncio.Event, head: int) -> None:
        """Returns once there may be something that a watcher who has read up to `head` does not know."""
        while not changed.is_set():
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await changed.wait()
            except TimeoutError:
                if await self._ask() != head:
                    return

    async def _ask(self) -> int:
        """Returns the newest revision; what one watcher was told, others are told too, for half of `poll_seconds`.

        Nearly always it is the one they know, and a platform that does nothing should not keep its machine busy.
        """
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if now >= self._newest_until:
                head = self._tables.head
                async with self._sessions.reading() as session:
                    found = await session.execute(sa.select(head.c.revision).where(head.c.id == 1))
                    self._newest = int(found.scalar_one())
                self._newest_until = now + self._poll_seconds / 2
            return self._newest

    def _wake(self, _session: object) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
