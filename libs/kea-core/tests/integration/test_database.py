from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from asyncpg import InvalidCatalogNameError
from kea_core.database import DatabaseSettings, Sessions, is_unique_violation, make_engine, migrate, open_database
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

ENV = """
import sqlalchemy as sa
from kea_core.migration import run

run(sa.MetaData())
"""

TABLES = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before!r}


def upgrade():
    number = sa.Column("n", sa.Integer, unique=True)
    op.create_table("t{revision}", sa.Column("id", sa.Integer, primary_key=True), number)
    op.execute("INSERT INTO t{revision} (id, n) VALUES (1, 1)")
    {then}
"""

MIGRATE = """
import asyncio, sys
from pathlib import Path
from kea_core.database import DatabaseSettings, migrate

url, schema, migrations, seconds = sys.argv[1:]
sys.stdin.read(1)
settings = DatabaseSettings(url=url, schema=schema, lock_timeout_seconds=float(seconds))
asyncio.run(migrate(settings, Path(migrations)))
"""


class Migrations:
    """A directory of migrations, each of which makes a table with one row."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._last: str | None = None
        (directory / "versions").mkdir(parents=True)
        (directory / "env.py").write_text(ENV)

    def add(self, revision: str, *, then: str = "") -> None:
        text = TABLES.format(revision=revision, before=self._last, then=then)
        (self.directory / "versions" / f"{revision}.py").write_text(text)
        self._last = revision

    def repair(self, revision: str) -> None:
        path = self.directory / "versions" / f"{revision}.py"
        path.write_text(path.read_text().replace("raise RuntimeError", ""))


@pytest.fixture
def migrations(tmp_path: Path) -> Migrations:
    made = Migrations(tmp_path / "migrations")
    made.add("1")
    made.add("2")
    return made


async def count(sessions: Sessions, table: str) -> int:
    async with sessions.reading() as session:
        return int((await session.execute(sa.text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608


async def tables(settings: DatabaseSettings) -> set[str]:
    async with open_database(settings) as sessions, sessions.engine.connect() as connection:
        names = await connection.run_sync(lambda it: sa.inspect(it).get_table_names(schema=settings.schema or None))
        return set(names)


async def test_migrating_again_changes_nothing(database: DatabaseSettings, migrations: Migrations) -> None:
    await migrate(database, migrations.directory)
    await migrate(database, migrations.directory)
    assert await tables(database) == {"t1", "t2", "alembic_version"}
    async with open_database(database) as sessions:
        assert await count(sessions, "t1") == 1


SLOW = """if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT pg_sleep(0.5)")
"""


async def test_processes_that_migrate_at_once_migrate_once_however_long_it_takes(
    database: DatabaseSettings, migrations: Migrations
) -> None:
    migrations.add("3", then=SLOW)
    lock_seconds = "0.1" if database.schema else "10"
    command = (sys.executable, "-c", MIGRATE, database.url, database.schema, str(migrations.directory), lock_seconds)
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
        for _ in range(2)
    ]
    outputs = await asyncio.gather(*(process.communicate(b"!") for process in processes))
    assert [process.returncode for process in processes] == [0, 0], outputs
    async with open_database(database) as sessions:
        assert (await count(sessions, "t1"), await count(sessions, "t2")) == (1, 1)


async def test_services_of_one_process_migrate_at_once(
    database: DatabaseSettings, migrations: Migrations, tmp_path: Path
) -> None:
    other = DatabaseSettings(url=f"sqlite:///{tmp_path / 'other.db'}")

    def in_a_loop_of_its_own(settings: DatabaseSettings) -> None:
        asyncio.run(migrate(settings, migrations.directory))

    async with asyncio.timeout(30):
        await asyncio.gather(
            asyncio.to_thread(in_a_loop_of_its_own, database),
            asyncio.to_thread(in_a_loop_of_its_own, other),
            migrate(database, migrations.directory),
            migrate(other, migrations.directory),
        )
    assert await tables(database) == await tables(other) == {"t1", "t2", "alembic_version"}


async def test_a_migration_that_fails_leaves_nothing_behind(database: DatabaseSettings, migrations: Migrations) -> None:
    migrations.add("3", then="raise RuntimeError")
    with pytest.raises(RuntimeError):
        await migrate(database, migrations.directory)
    assert await tables(database) <= {"alembic_version"}
    migrations.repair("3")
    await migrate(database, migrations.directory)
    assert await tables(database) == {"t1", "t2", "t3", "alembic_version"}


async def test_tables_of_a_newer_release_are_left_as_they_are(
    database: DatabaseSettings, migrations: Migrations, tmp_path: Path
) -> None:
    newer = Migrations(tmp_path / "newer")
    for revision in "123":
        newer.add(revision)
    await migrate(database, newer.directory)
    await migrate(database, migrations.directory)
    assert await tables(database) == {"t1", "t2", "t3", "alembic_version"}
    await migrate(database, newer.directory)


async def test_a_service_that_starts_waits_for_its_database(
    postgresql: str, migrations: Migrations, tmp_path: Path
) -> None:
    url = make_url(postgresql)
    directory = tmp_path / "later"
    later = url.set(query={**url.query, "host": str(directory)}).render_as_string(hide_password=False)
    settings = DatabaseSettings(url=later, schema="later", start_wait_seconds=30)
    async with asyncio.timeout(60):
        migrating = asyncio.ensure_future(migrate(settings, migrations.directory))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(migrating), 0.7)
        directory.symlink_to(str(url.query["host"]))
        await migrating
    assert await tables(settings) == {"t1", "t2", "alembic_version"}


@pytest.mark.parametrize("change", [{"host": "/nowhere"}, {"database": "unknown"}])
async def test_a_service_does_not_wait_for_what_will_not_come(
    postgresql: str, migrations: Migrations, change: dict[str, str]
) -> None:
    url = make_url(postgresql)
    query = {**url.query, **{key: value for key, value in change.items() if key == "host"}}
    url = url.set(query=query, database=change.get("database", url.database))
    wait = 30.0 if "database" in change else 0.1
    wrong = DatabaseSettings(url=url.render_as_string(hide_password=False), start_wait_seconds=wait)
    async with asyncio.timeout(10):
        with pytest.raises((OSError, DBAPIError, InvalidCatalogNameError)):
            await migrate(wrong, migrations.directory)


@pytest.mark.parametrize("schema", ["registry", "Registry", 'a service\'s "own", really'])
async def test_tables_are_made_in_the_schema_and_nowhere_else(
    postgresql: str, migrations: Migrations, schema: str
) -> None:
    settings = DatabaseSettings(url=postgresql, schema=schema)
    await migrate(settings, migrations.directory)
    assert "t1" not in await tables(DatabaseSettings(url=postgresql))
    assert await tables(settings) == {"t1", "t2", "alembic_version"}


async def test_two_services_share_a_server(postgresql: str, migrations: Migrations) -> None:
    both = [DatabaseSettings(url=postgresql, schema=name) for name in ("first", "second")]
    await asyncio.gather(*(migrate(settings, migrations.directory) for settings in both))
    assert [await tables(settings) for settings in both] == [{"t1", "t2", "alembic_version"}] * 2


async def test_reading_waits_for_no_writer(database: DatabaseSettings, migrations: Migrations) -> None:
    await migrate(database, migrations.directory)
    async with open_database(database) as sessions, sessions.transaction() as writing:
        await writing.execute(sa.text("INSERT INTO t1 (id, n) VALUES (2, 2)"))
        async with asyncio.timeout(5):
            assert await count(sessions, "t1") == 1


async def test_all_that_is_read_in_one_transaction_is_of_one_moment(
    database: DatabaseSettings, migrations: Migrations
) -> None:
    await migrate(database, migrations.directory)
    async with open_database(database) as sessions:
        async with sessions.reading() as session:
            first = (await session.execute(sa.text("SELECT n FROM t1"))).scalar_one()
            async with sessions.transaction() as writing:
                for table in ("t1", "t2"):
                    await writing.execute(sa.text(f"UPDATE {table} SET n = n + 1"))  # noqa: S608 - the names above
            second = (await session.execute(sa.text("SELECT n FROM t2"))).scalar_one()
            assert (first, second) == (1, 1)
        async with sessions.reading() as session:
            assert (await session.execute(sa.text("SELECT n FROM t1"))).scalar_one() == 2


LONG = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3000000) SELECT count(*) FROM c"


async def test_a_call_that_is_cancelled_again_while_its_connection_is_closed_leaves_nobody_waiting(
    tmp_path: Path,
) -> None:
    async with open_database(DatabaseSettings(url=f"sqlite:///{tmp_path}/test.db")) as sessions:
        await sessions.ping()

        async def call() -> None:
            async with sessions.reading() as session:
                await session.execute(sa.text(LONG))

        before = asyncio.all_tasks()
        calling = asyncio.ensure_future(call())
        await asyncio.sleep(0.05)  # the query has begun, in its thread
        for _ in range(3):
            calling.cancel()
            await asyncio.sleep(0.01)
        left = asyncio.all_tasks() - before
        for task in left:
            task.cancel()  # as the end of the loop does
        _, waiting = await asyncio.wait({calling, *left}, timeout=10)
        assert not waiting
        await sessions.ping()


ROWS = LONG.replace("count(*) FROM c", "x FROM c WHERE x > 1000000")
"""Takes a while to the first of its many rows."""


async def test_a_call_that_is_cancelled_leaves_no_lock_behind(tmp_path: Path) -> None:
    settings = DatabaseSettings(url=f"sqlite:///{tmp_path}/test.db", lock_timeout_seconds=2)
    async with open_database(settings) as sessions:
        await sessions.ping()

        async def call() -> None:
            async with sessions.transaction() as session:
                await session.execute(sa.text(ROWS))

        calling = asyncio.ensure_future(call())
        await asyncio.sleep(0.05)  # the query has begun, in its thread
        calling.cancel()
        await asyncio.wait({calling})
        # `calling` is kept, and with it its exception, the frames in that, and the cursor with rows left.
        async with sessions.transaction() as session:
            await session.execute(sa.text("CREATE TABLE t1 (n INTEGER)"))
        assert calling.cancelled()


async def test_a_transaction_keeps_nothing_of_what_fails(database: DatabaseSettings, migrations: Migrations) -> None:
    await migrate(database, migrations.directory)
    async with open_database(database) as sessions:

        async def fail() -> None:
            async with sessions.transaction() as session:
                await session.execute(sa.text("DELETE FROM t1"))
                raise LookupError

        with pytest.raises(LookupError):
            await fail()
        assert await count(sessions, "t1") == 1


async def test_a_writer_waits_for_another_no_longer_than_is_set(
    database: DatabaseSettings, migrations: Migrations
) -> None:
    await migrate(database, migrations.directory)
    impatient = DatabaseSettings(url=database.url, schema=database.schema, lock_timeout_seconds=0.2)
    change = sa.text("UPDATE t1 SET n = n + 1")
    async with open_database(database) as one, open_database(impatient) as other, asyncio.timeout(10):
        async with one.transaction() as holding:
            await holding.execute(change)
            with pytest.raises(DBAPIError, match="lock"):
                await self_contained(other, change)
        await self_contained(other, change)


async def self_contained(sessions: Sessions, statement: sa.TextClause) -> None:
    async with sessions.transaction() as session:
        await session.execute(statement)


async def test_who_reads_and_then_writes_loses_nothing_to_others_on_sqlite(
    tmp_path: Path, migrations: Migrations
) -> None:
    settings = DatabaseSettings(url=f"sqlite:///{tmp_path / 'test.db'}")
    await migrate(settings, migrations.directory)
    async with open_database(settings) as sessions:

        async def add_one() -> None:
            async with sessions.transaction() as session:
                number = (await session.execute(sa.text("SELECT n FROM t1"))).scalar_one()
                await session.execute(sa.text("UPDATE t1 SET n = :n"), {"n": number + 1})

        await asyncio.gather(*(add_one() for _ in range(20)))
        async with sessions.reading() as session:
            assert (await session.execute(sa.text("SELECT n FROM t1"))).scalar_one() == 21


@pytest.mark.parametrize(
    ("statement", "unique"),
    [
        ("INSERT INTO t1 (id, n) VALUES (1, 2)", True),
        ("INSERT INTO t1 (id, n) VALUES (2, 1)", True),
        ("INSERT INTO child (parent) VALUES (7)", False),
        ("INSERT INTO child (parent) VALUES (NULL)", False),
    ],
)
async def test_violations_of_uniqueness_are_told_from_others(
    database: DatabaseSettings, migrations: Migrations, statement: str, *, unique: bool
) -> None:
    await migrate(database, migrations.directory)
    async with open_database(database) as sessions:
        await self_contained(sessions, sa.text("CREATE TABLE child (parent integer NOT NULL REFERENCES t1 (id))"))
        with pytest.raises(IntegrityError) as caught:
            await self_contained(sessions, sa.text(statement))
    assert is_unique_violation(caught.value) is unique


async def test_a_ping_tells_whether_the_database_answers(database: DatabaseSettings, tmp_path: Path) -> None:
    async with open_database(database) as sessions:
        await sessions.ping()
    async with open_database(DatabaseSettings(url=f"postgresql://nobody@/x?host={tmp_path}")) as sessions:
        with pytest.raises((DBAPIError, OSError)):
            await sessions.ping()


async def test_the_directory_of_a_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    async with open_database(DatabaseSettings(url=f"sqlite:///{tmp_path / 'new' / 'test.db'}")) as sessions:
        await sessions.ping()
    mode = (tmp_path / "new").stat().st_mode
    assert (stat.S_IMODE(mode), [path.name for path in (tmp_path / "new").iterdir()]) == (0o700, ["test.db"])


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="mysql is not supported; expected sqlite or postgresql"):
        make_engine(DatabaseSettings(url="mysql://host/database"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@host/database",
        "postgresql:///database?user=u&password=hunter2",
        "postgresql://user:hunter2@host:port/database",
        "hunter2",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    settings = DatabaseSettings(url=url, schema="mine")
    assert "hunter2" not in f"{settings!r} {settings} {[settings]}"
