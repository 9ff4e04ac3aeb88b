from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from kea_core.change_feed import BATCH, TOMBSTONE_AGE, Change, ChangeFeed, Synced, feed_tables
from kea_core.database import DatabaseSettings, Sessions, open_database
from kea_core.errors import RevisionExpired
from sqlalchemy import event
from sqlalchemy.schema import CreateSchema

METADATA = sa.MetaData()
POLL_SECONDS = 0.05
TABLES = feed_tables(METADATA)


class FakeClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def open_feed(settings: DatabaseSettings, clock: FakeClock) -> AsyncGenerator[tuple[Sessions, ChangeFeed], None]:
    async with open_database(settings) as sessions:
        async with sessions.engine.begin() as connection:
            if settings.schema:
                await connection.execute(CreateSchema(settings.schema))
            await connection.run_sync(METADATA.create_all)
            await connection.execute(sa.insert(TABLES.head).values(id=1, revision=0, horizon=0))
        yield sessions, ChangeFeed(sessions, TABLES, poll_seconds=POLL_SECONDS, clock=clock)


async def write(sessions: Sessions, feed: ChangeFeed, name: str, *, deleted: bool = False) -> int:
    async with sessions.transaction() as session:
        return await feed.record(session, "models", name, deleted=deleted)


async def read_until_synced(feed: ChangeFeed, since: int) -> list[Change | Synced]:
    found: list[Change | Synced] = []
    async with asyncio.timeout(5), aclosing(feed.watch("models", since)) as changes:
        async for change in changes:
            found.append(change)
            if isinstance(change, Synced):
                return found
    raise AssertionError


async def test_a_watch_from_zero_gives_what_is_there_and_then_says_so(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):
        await write(sessions, feed, "a")
        await write(sessions, feed, "b")
        await write(sessions, feed, "a")
        await write(sessions, feed, "c")
        await write(sessions, feed, "c", deleted=True)
        assert await read_until_synced(feed, 0) == [
            Change(2, "b", deleted=False),
            Change(3, "a", deleted=False),
            Synced(5),
        ]


async def test_a_removal_while_a_watch_from_zero_is_still_reading_is_told(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):
        await write(sessions, feed, "gone before", deleted=True)
        for number in range(BATCH + 1):
            await write(sessions, feed, f"m{number}")
        found: list[Change | Synced] = []
        removed = 0
        async with asyncio.timeout(20), aclosing(feed.watch("models", 0)) as changes:
            async for change in changes:
                found.append(change)
                if len(found) == 1:
                    removed = await write(sessions, feed, "m0", deleted=True)
                if isinstance(change, Synced):
                    break
        assert found[0] == Change(2, "m0", deleted=False)
        assert found[-2:] == [Change(removed, "m0", deleted=True), Synced(removed)]
        assert not any(isinstance(change, Change) and change.name == "gone before" for change in found)


async def test_a_watch_resumes_after_its_revision_and_tells_removals(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):
        await write(sessions, feed, "a")
        seen = await write(sessions, feed, "b")
        await write(sessions, feed, "a", deleted=True)
        assert await read_until_synced(feed, seen) == [Change(3, "a", deleted=True), Synced(3)]


async def test_a_change_wakes_a_waiting_watch_also_from_another_process(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):
        other = ChangeFeed(sessions, TABLES)  # as another process would have: it cannot wake the first's event
        async with asyncio.timeout(5), aclosing(feed.watch("models", 0)) as changes:
            assert await anext(changes) == Synced(0)
            await write(sessions, other, "a")
            assert await anext(changes) == Change(1, "a", deleted=False)


async def test_watchers_that_wait_ask_the_database_together(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed), asyncio.TaskGroup() as tasks:
        synced = asyncio.Barrier(11)

        async def wait() -> None:
            async with aclosing(feed.watch("models", 0)) as changes:
                async for _ in changes:
                    await synced.wait()

        waiting = [tasks.create_task(wait()) for _ in range(10)]
        await synced.wait()
        asked: list[float] = []
        enough = asyncio.Event()

        def count(*_: object) -> None:
            asked.append(asyncio.get_running_loop().time())
            if len(asked) == 7:
                enough.set()

        event.listen(sessions.engine.sync_engine, "begin", count)
        async with asyncio.timeout(20):
            await enough.wait()
        # Each by itself, ten would have asked within one of these times; together they leave half of one in between.
        assert asked[6] - asked[0] >= 5 * POLL_SECONDS / 2
        for task in waiting:
            task.cancel()


async def test_nothing_of_a_rolled_back_transaction_is_seen(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):

        async def fail() -> None:
            async with sessions.transaction() as session:
                await feed.record(session, "models", "a")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fail()
        assert await read_until_synced(feed, 0) == [Synced(0)]


async def test_concurrent_writes_commit_in_the_order_of_their_revisions(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):
        await asyncio.gather(*(write(sessions, feed, f"m{n}") for n in range(20)))
        found = await read_until_synced(feed, 0)
        assert [change.revision for change in found] == [*range(1, 21), 20]


async def test_a_watch_from_before_forgotten_removals_is_refused(database: DatabaseSettings) -> None:
    clock = FakeClock()
    async with open_feed(database, clock) as (sessions, feed):
        await write(sessions, feed, "a")
        await write(sessions, feed, "a", deleted=True)
        clock.now += TOMBSTONE_AGE + timedelta(seconds=1)
        await write(sessions, feed, "b")
        await feed.forget_old()
        with pytest.raises(RevisionExpired):
            await read_until_synced(feed, 1)
        assert await read_until_synced(feed, 0) == [Change(3, "b", deleted=False), Synced(3)]


async def test_a_watch_from_a_revision_that_is_yet_to_come_is_refused(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):
        seen = await write(sessions, feed, "a")
        assert await read_until_synced(feed, seen) == [Synced(seen)]
        with pytest.raises(RevisionExpired):  # of a database that a backup was put in place of
            await read_until_synced(feed, seen + 1)


async def test_who_reads_much_at_once_misses_nothing(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):
        count = 2 * BATCH + 1
        async with sessions.transaction() as session:
            for number in range(count):
                await feed.record(session, "models", f"m{number}")
        *found, synced = await read_until_synced(feed, 0)
        assert [change.revision for change in found] == [*range(1, count + 1)]
        assert synced == Synced(count)


async def test_another_collection_only_moves_the_revision_on(database: DatabaseSettings) -> None:
    async with open_feed(database, FakeClock()) as (sessions, feed):
        await write(sessions, feed, "a")
        async with sessions.transaction() as session:
            await feed.record(session, "others", "b")
        assert await read_until_synced(feed, 0) == [Change(1, "a", deleted=False), Synced(2)]
