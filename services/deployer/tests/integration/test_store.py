"""Deployments and operations in both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import alembic.command
import pytest
from kea_core.change_feed import ChangeFeed
from kea_core.database import DatabaseSettings, alembic_config, make_engine, migrate, open_database
from kea_core.idempotency import SeenRequests
from kea_core.pages import Page
from kea_deployer.domain.deployment import Condition, ReplicaState, State
from kea_deployer.domain.errors import DeploymentExists
from kea_deployer.domain.operation import Operation, Verb
from kea_deployer.housekeeping import OPERATIONS_KEPT, Housekeeping
from kea_deployer.main import MIGRATIONS
from kea_deployer.store.deployment_store import SqlDeploymentStore
from kea_deployer.store.tables import FEED, REQUESTS


@pytest.fixture
async def store(database: DatabaseSettings) -> AsyncGenerator[SqlDeploymentStore, None]:
    await migrate(database, MIGRATIONS)
    async with open_database(database) as sessions:
        yield SqlDeploymentStore(sessions, ChangeFeed(sessions, FEED), SeenRequests(REQUESTS))


async def test_migrations_make_the_tables_that_the_code_expects(database: DatabaseSettings) -> None:
    await migrate(database, MIGRATIONS)
    engine = make_engine(database)
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: alembic.command.check(alembic_config(sync, MIGRATIONS)))
    await engine.dispose()


async def test_a_deployment_survives_the_database(store: SqlDeploymentStore, helpers: Any) -> None:
    replicas = tuple(
        helpers.make_replica(number, state, restart_time=helpers.NOON + timedelta(microseconds=number))
        for number, state in enumerate(ReplicaState, start=1)
    )
    conditions = tuple(
        Condition(kind, holds, "REASON", "\N{SNOWMAN}", helpers.NOON + timedelta(microseconds=1))
        for kind, holds in (("A", True), ("B", False), ("C", None))
    )
    made = helpers.make_deployment(replicas, wanted=5, state=State.FAILED, step="working", conditions=conditions)
    made = replace(made, model=helpers.make_model(requirements=("numpy", "click")))
    async with store.transaction() as transaction:
        added = await transaction.add(replace(made, status=replace(made.status, replicas=())))
        assert added.wanted_revision == 1
    with pytest.raises(DeploymentExists):
        async with store.transaction() as transaction:
            await transaction.add(made)
    async with store.transaction() as transaction:
        written = await transaction.replace(replace(made, wanted_revision=1), wanted=False)
    async with store.reading() as transaction:
        assert await transaction.get(made.name) == written == replace(made, wanted_revision=1)
        assert await transaction.all() == [written]
        assert await transaction.get("projects/default/deployments/other") is None
    async with store.transaction() as transaction:
        again = await transaction.replace(written, wanted=True)
        assert again.etag != written.etag
        await transaction.remove(made.name)
    async with store.reading() as transaction:
        assert await transaction.all() == []


async def test_nothing_that_is_read_changes_until_it_is_written(store: SqlDeploymentStore, helpers: Any) -> None:
    async with store.transaction() as transaction:
        await transaction.add(helpers.make_deployment(wanted=0))

    async def one_more() -> None:
        async with store.transaction() as transaction:
            found = await transaction.get(helpers.NAME)
            assert found is not None
            await asyncio.sleep(0)
            await transaction.replace(replace(found, replica_count=found.replica_count + 1), wanted=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(one_more())
    async with store.reading() as transaction:
        found = await transaction.get(helpers.NAME)
    assert found is not None
    assert found.replica_count == 8


async def test_what_is_only_checked_is_not_kept(store: SqlDeploymentStore, helpers: Any) -> None:
    async with store.transaction(commit=False) as transaction:
        await transaction.add(helpers.make_deployment())
    async with store.reading() as transaction:
        assert await transaction.get(helpers.NAME) is None


async def test_operations_survive_until_nobody_asks_any_more(store: SqlDeploymentStore, helpers: Any) -> None:
    now = helpers.NOON
    create, update = (Operation.begin(helpers.NAME, verb, now) for verb in (Verb.CREATE, Verb.UPDATE))
    failed = replace(create, create_time=now - timedelta(days=99)).fail("REPLICA_CRASHED", "it ended", now)
    ended = Operation.begin(helpers.NAME, Verb.DELETE, now).succeed(now - OPERATIONS_KEPT - timedelta(seconds=1))
    async with store.transaction() as transaction:
        for operation in (create, update, ended, failed):  # the last is the first, written again
            await transaction.put_operation(operation)
    async with store.reading() as transaction:
        assert await transaction.operation(failed.name) == failed
        assert await transaction.unfinished(helpers.NAME) == [update]
        page = await transaction.operation_page("default", Page(size=1, after=""))
        assert [operation.name for operation in page] == sorted([failed.name, update.name, ended.name])[:2]
        assert await transaction.operation_page("other", Page(size=1, after="")) == []
    asked: list[Any] = []

    async def nothing() -> None:
        asked.append("removals")

    async def tidy(deployments: Any) -> None:
        asked.append(deployments)

    await Housekeeping(store, nothing, tidy, clock=lambda: now).run_once()
    async with store.reading() as transaction:
        left = await transaction.operation_page("default", Page(size=9, after=""))
    assert {operation.name for operation in left} == {failed.name, update.name}
    assert asked == ["removals", []]
