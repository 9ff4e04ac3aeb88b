from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import alembic.command
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from kea_core.database import DatabaseSettings, alembic_config, migrate, open_database
from workspace import DATABASES, ROOT, Database

both = pytest.mark.parametrize("kept", DATABASES, ids=str)


def shape(connection: sa.Connection, schema: str | None) -> dict[str, Any]:
    """Returns all that a database knows of its tables, in a form that can be compared."""
    inspector = sa.inspect(connection)

    def without_options(entry: Any) -> dict[str, Any]:
        left_out = ("dialect_options", "options", "comment", "referred_schema", "include_columns")
        return {name: str(value) for name, value in entry.items() if name not in left_out}

    def ordered(entries: Any) -> list[dict[str, Any]]:
        return sorted(map(without_options, entries), key=str)

    return {
        table: {
            "columns": {column["name"]: without_options(column) for column in inspector.get_columns(table, schema)},
            "primary key": without_options(inspector.get_pk_constraint(table, schema)),
            "unique": ordered(inspector.get_unique_constraints(table, schema)),
            "indexes": ordered(inspector.get_indexes(table, schema)),
            "foreign keys": ordered(inspector.get_foreign_keys(table, schema)),
            "checks": ordered(inspector.get_check_constraints(table, schema)),
        }
        for table in inspector.get_table_names(schema)
        if table != "alembic_version"
    }


async def shape_of(settings: DatabaseSettings) -> dict[str, Any]:
    async with open_database(settings) as sessions, sessions.engine.connect() as connection:
        return await connection.run_sync(shape, settings.schema or None)


async def differences(settings: DatabaseSettings, metadata: sa.MetaData) -> list[Any]:
    """Returns what `alembic check` would find."""

    def compare(connection: sa.Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    async with open_database(settings) as sessions, sessions.engine.connect() as connection:
        return await connection.run_sync(compare)


async def downgrade(settings: DatabaseSettings, migrations: Path) -> None:
    def to_base(connection: sa.Connection) -> None:
        alembic.command.downgrade(alembic_config(connection, migrations), "base")

    async with open_database(settings) as sessions, sessions.engine.connect() as connection:
        await connection.run_sync(to_base)
        await connection.commit()


async def made_at_once(settings: DatabaseSettings, metadata: sa.MetaData, directory: Path) -> DatabaseSettings:
    """Makes the tables in another database, as the code and not the migrations say."""
    if settings.schema:
        other = replace(settings, schema=f"{settings.schema}_other")
    else:
        other = replace(settings, url=f"sqlite:///{directory / 'other.db'}")
    async with open_database(other) as sessions, sessions.engine.begin() as connection:
        if other.schema:
            await connection.execute(sa.schema.CreateSchema(other.schema))
        await connection.run_sync(metadata.create_all)
    return other


@both
async def test_the_migrations_make_the_tables_that_the_code_speaks_of(
    kept: Database, database: DatabaseSettings, tmp_path: Path
) -> None:
    await migrate(database, kept.migrations)
    assert await differences(database, kept.metadata) == []
    other = await made_at_once(database, kept.metadata, tmp_path)
    assert await shape_of(database) == await shape_of(other)


@both
async def test_the_migrations_can_be_undone_and_done_again(kept: Database, database: DatabaseSettings) -> None:
    await migrate(database, kept.migrations)
    before = await shape_of(database)
    await downgrade(database, kept.migrations)
    assert await shape_of(database) == {}
    await migrate(database, kept.migrations)
    assert await shape_of(database) == before


@both
async def test_a_change_feed_has_its_head_row_from_the_first(kept: Database, database: DatabaseSettings) -> None:
    await migrate(database, kept.migrations)
    head = kept.metadata.tables["change_feed_head"]
    async with open_database(database) as sessions, sessions.reading() as session:
        rows = (await session.execute(sa.select(head))).all()
    assert [tuple(row) for row in rows] == [(1, 0, 0)]


def scripts(migrations: Path) -> ScriptDirectory:
    return ScriptDirectory(str(migrations))


@both
def test_there_is_one_newest_migration(kept: Database) -> None:
    assert len(scripts(kept.migrations).get_heads()) == 1
    assert len(scripts(kept.migrations).get_bases()) == 1


@both
def test_every_migration_has_a_line_of_its_own_that_parallel_ones_would_conflict_in(kept: Database) -> None:
    notes = (ROOT / "services" / kept.service / "MIGRATIONS.md").read_text()
    for script in scripts(kept.migrations).walk_revisions():
        assert script.revision in notes
        assert script.doc, f"{script.revision} does not say what it does"


async def test_these_checks_see_what_a_migration_has_forgotten(database: DatabaseSettings, tmp_path: Path) -> None:
    auth = DATABASES[0]
    await migrate(database, auth.migrations)
    metadata = sa.MetaData(naming_convention=auth.metadata.naming_convention)
    for table in auth.metadata.tables.values():
        table.to_metadata(metadata)
    metadata.tables["signing_keys"].append_column(sa.Column("forgotten", sa.Integer))
    assert [difference[0] for difference in await differences(database, metadata)] == ["add_column"]
    other = await made_at_once(database, metadata, tmp_path)
    assert await shape_of(database) != await shape_of(other)
