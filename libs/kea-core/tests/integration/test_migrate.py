from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import sqlalchemy as sa
from kea_core.database import DatabaseSettings, open_database

ENV = "import sqlalchemy as sa\nfrom kea_core.migration import run\n\nrun(sa.MetaData())\n"
VERSION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "1", None


def upgrade():
    op.create_table("things", sa.Column("id", sa.Integer, primary_key=True))
"""


def write_service(directory: Path, package: str) -> None:
    """Writes a service that must not be imported."""
    versions = directory / package / "migrations" / "versions"
    versions.mkdir(parents=True)
    (directory / package / "__init__.py").write_text("raise RuntimeError")
    (versions.parent / "env.py").write_text(ENV)
    (versions / "1.py").write_text(VERSION)


async def run_migrate(directory: Path, *packages: str, **environment: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kea_core.migrate", *packages),
        env={**os.environ, "PYTHONPATH": str(directory), **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, stderr = await process.communicate()
    return process.returncode, stderr.decode()


async def tables(settings: DatabaseSettings) -> list[str]:
    async with open_database(settings) as sessions, sessions.engine.connect() as connection:
        return await connection.run_sync(lambda it: sa.inspect(it).get_table_names(schema=settings.schema or None))


async def test_services_are_migrated_each_in_its_own_database(tmp_path: Path) -> None:
    urls = {name: f"sqlite:///{tmp_path / name}.db" for name in ("one", "other")}
    for name in urls:
        write_service(tmp_path, f"kea_{name}")
    environment = {f"KEA_{name.upper()}_DATABASE_URL": url for name, url in urls.items()}
    code, told = await run_migrate(tmp_path, "kea_one", "kea_other", **environment)
    assert code == 0, told
    for url in urls.values():
        assert set(await tables(DatabaseSettings(url=url))) == {"things", "alembic_version"}


async def test_nothing_is_begun_where_a_service_or_a_setting_is_missing(tmp_path: Path) -> None:
    write_service(tmp_path, "kea_one")
    url = f"sqlite:///{tmp_path / 'one.db'}"
    code, told = await run_migrate(tmp_path, "kea_one", "kea_other", KEA_ONE_DATABASE_URL=url)
    assert code == 2
    assert "kea_other is no service with tables" in told
    code, told = await run_migrate(tmp_path, "kea_one")
    assert code == 2
    assert "KEA_ONE_DATABASE_URL must be set" in told
    assert not (tmp_path / "one.db").exists()
