from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kea_auth.main
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from kea_auth.domain.errors import SigningKeyRaced
from kea_auth.domain.signing_key import make_key
from kea_auth.domain.signing_keys import SigningKeys
from kea_auth.store.key_store import SqlKeyStore
from kea_auth.store.tables import FEED, METADATA
from kea_core.change_feed import ChangeFeed
from kea_core.clock import utc_now
from kea_core.database import DatabaseSettings, migrate, open_database

MIGRATIONS = Path(kea_auth.main.__file__).parent / "migrations"


async def test_the_migrations_make_the_tables_of_the_code(database: DatabaseSettings) -> None:
    await migrate(database, MIGRATIONS)
    await migrate(database, MIGRATIONS)

    def differences(connection: sa.Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection), METADATA)

    async with open_database(database) as sessions, sessions.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_many_processes_make_one_first_key(database: DatabaseSettings) -> None:
    await asyncio.gather(*(migrate(database, MIGRATIONS) for _ in range(3)))
    async with AsyncExitStack() as stack:
        stores: list[SqlKeyStore] = []
        for _ in range(4):
            sessions = await stack.enter_async_context(open_database(database))
            stores.append(SqlKeyStore(sessions, ChangeFeed(sessions, FEED)))
        delays = {"activation_delay": timedelta(seconds=5), "rotate_after": timedelta(days=30)}
        await asyncio.gather(*(SigningKeys(store, clock=utc_now, **delays).upkeep() for store in stores))
        assert [len(await store.keys()) for store in stores] == [1, 1, 1, 1]


async def test_a_key_is_read_as_it_was_written(database: DatabaseSettings) -> None:
    await migrate(database, MIGRATIONS)
    key = make_key(1, datetime(2026, 1, 1, 1, 2, 3, 456789, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    async with open_database(database) as sessions:
        store = SqlKeyStore(sessions, ChangeFeed(sessions, FEED))
        async with store.transaction() as transaction:
            await transaction.add(key)
        assert await store.keys() == [key]
        with pytest.raises(SigningKeyRaced):
            async with store.transaction() as transaction:
                await transaction.add(make_key(1, utc_now(), utc_now()))
        assert await store.keys() == [key]
        async with store.transaction() as transaction:
            await transaction.remove(key)
        assert await store.keys() == []


async def test_a_watch_resumes_even_from_before_forgotten_removals(database: DatabaseSettings) -> None:
    await migrate(database, MIGRATIONS)
    now = utc_now()
    async with open_database(database) as sessions:
        feed = ChangeFeed(sessions, FEED, clock=lambda: now)
        store = SqlKeyStore(sessions, feed)
        for number in (1, 2):
            async with store.transaction() as transaction:
                await transaction.add(make_key(number, now, now))
        async with store.transaction() as transaction:
            await transaction.remove((await store.keys())[0])
        now += timedelta(days=8)
        await feed.forget_old()
        async with asyncio.timeout(5):
            revisions = store.watch(1)
            async for revision in revisions:
                assert revision == 3
                break
