from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import kea_registry.main
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from kea_core.clock import utc_now
from kea_core.database import DatabaseSettings, migrate, open_database
from kea_registry.store.archive_ledger import SqlArchiveLedger
from kea_registry.store.tables import METADATA

MIGRATIONS = Path(kea_registry.main.__file__).parent / "migrations"
SHA256 = "a" * 64


async def test_the_migrations_make_the_tables_of_the_code(database: DatabaseSettings) -> None:
    await migrate(database, MIGRATIONS)
    await migrate(database, MIGRATIONS)

    def differences(connection: sa.Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection), METADATA)

    async with open_database(database) as sessions, sessions.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_claimed_archive_is_not_removed(database: DatabaseSettings) -> None:
    await migrate(database, MIGRATIONS)
    async with open_database(database) as sessions:
        ledger = SqlArchiveLedger(sessions, clock=utc_now)
        one, two = await ledger.claim(SHA256), await ledger.claim(SHA256)
        await ledger.release(one)
        async with ledger.removing(SHA256) as unneeded:
            assert not unneeded
        assert await ledger.unneeded() == []
        await ledger.release(two)
        await ledger.release(two)
        assert await ledger.unneeded() == [SHA256]
        async with ledger.removing(SHA256) as unneeded:
            assert unneeded
        assert await ledger.unneeded() == []


async def test_a_removal_that_fails_is_tried_again_later(database: DatabaseSettings) -> None:
    await migrate(database, MIGRATIONS)
    async with open_database(database) as sessions:
        ledger = SqlArchiveLedger(sessions, clock=utc_now)
        await ledger.release(await ledger.claim(SHA256))
        with pytest.raises(RuntimeError):
            async with ledger.removing(SHA256):
                raise RuntimeError
        assert await ledger.unneeded() == [SHA256]


async def test_claims_of_dead_uploads_expire(database: DatabaseSettings) -> None:
    await migrate(database, MIGRATIONS)
    async with open_database(database) as sessions:
        ledger = SqlArchiveLedger(sessions, clock=utc_now)
        await ledger.claim(SHA256)
        await ledger.expire_claims(utc_now() - timedelta(hours=1))
        assert await ledger.unneeded() == []
        await ledger.expire_claims(utc_now() + timedelta(hours=1))
        assert await ledger.unneeded() == [SHA256]
