"""The reconciler on a real database, with a platform whose answers the test gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from kea_core.change_feed import ChangeFeed
from kea_core.clock import utc_now
from kea_core.database import DatabaseSettings, migrate, open_database
from kea_core.idempotency import SeenRequests
from kea_deployer.domain.deployment import Deployment, State, Status
from kea_deployer.domain.operation import Operation, Verb
from kea_deployer.domain.plan import Action, Plan
from kea_deployer.main import MIGRATIONS
from kea_deployer.reconcile.feed_follower import FeedFollower
from kea_deployer.reconcile.reconciler import Reconciler
from kea_deployer.reconcile.wake_queue import WakeQueue
from kea_deployer.store.deployment_store import SqlDeploymentStore
from kea_deployer.store.tables import FEED, REQUESTS


class ScriptedPlatform:
    """Plans what the test says."""

    def __init__(self) -> None:
        self.planned: asyncio.Queue[str] = asyncio.Queue()
        self.forgotten: asyncio.Queue[str] = asyncio.Queue()
        self.applied: list[Deployment] = []
        self.next: Callable[[Deployment, datetime], Plan] = lambda deployment, _: Plan(deployment.status)

    def check(self, deployment: Deployment) -> None:
        del deployment

    def plan(self, deployment: Deployment, now: datetime) -> Plan:
        self.planned.put_nowait(deployment.name)
        return self.next(deployment, now)

    async def apply(self, deployment: Deployment, actions: Sequence[Action]) -> None:
        del actions
        self.applied.append(deployment)

    async def forget(self, name: str) -> None:
        self.forgotten.put_nowait(name)


class Loop:
    """A reconciler at work."""

    def __init__(self, store: SqlDeploymentStore) -> None:
        self.store = store
        self.platform = ScriptedPlatform()
        self.queue = WakeQueue()
        self.reconciler = Reconciler(store, self.platform, self.queue, clock=utc_now)

    async def looks(self, count: int) -> list[str]:
        async with asyncio.timeout(10):
            return [await self.platform.planned.get() for _ in range(count)]

    async def until(self, condition: Callable[[Deployment | None], bool], name: str) -> Deployment | None:
        async with asyncio.timeout(10):
            while True:
                changed = self.store.next_change()
                async with self.store.reading() as transaction:
                    found = await transaction.get(name)
                if condition(found):
                    return found
                await changed.wait()


@pytest.fixture
async def loop(database: DatabaseSettings, helpers: Any) -> AsyncGenerator[Loop, None]:
    await migrate(database, MIGRATIONS)
    async with open_database(database) as sessions:
        store = SqlDeploymentStore(sessions, ChangeFeed(sessions, FEED), SeenRequests(REQUESTS))
        async with store.transaction() as transaction:
            await transaction.add(helpers.make_deployment())
            await transaction.put_operation(Operation.begin(helpers.NAME, Verb.CREATE, helpers.NOON))
        made = Loop(store)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(made.reconciler.run())
            yield made
            running.cancel()


async def test_all_there_is_is_looked_at_first_and_then_what_is_woken(loop: Loop, helpers: Any) -> None:
    assert await loop.looks(1) == [helpers.NAME]
    loop.queue.wake(helpers.NAME)
    loop.queue.wake("projects/default/deployments/gone")
    assert await loop.looks(1) == [helpers.NAME]
    assert await loop.platform.forgotten.get() == "projects/default/deployments/gone"


async def test_the_status_is_written_before_it_is_acted_on_and_ends_operations(loop: Loop, helpers: Any) -> None:
    await loop.looks(1)
    loop.platform.next = lambda found, _: Plan(replace(found.status, state=State.ACTIVE, reconciling=False))
    loop.queue.wake(helpers.NAME)
    found = await loop.until(lambda found: found is not None and found.status.state is State.ACTIVE, helpers.NAME)
    await loop.looks(1)
    async with loop.store.reading() as transaction:
        assert await transaction.unfinished(helpers.NAME) == []
    loop.queue.wake(helpers.NAME)
    await loop.looks(1)
    assert found is not None
    assert loop.platform.applied[-1] == found
    async with loop.store.reading() as transaction:
        again = await transaction.get(helpers.NAME)
    assert again == found, "what has not changed is not written"


async def test_what_is_wanted_meanwhile_is_not_overwritten(loop: Loop, helpers: Any) -> None:
    await loop.looks(1)

    def plan(found: Deployment, now: datetime) -> Plan:
        del now
        return Plan(replace(found.status, state=State.ACTIVE, step=f"for {found.replica_count}"))

    async with loop.store.transaction() as transaction:
        # The look reads what was there before this, and waits with its write until this has been written.
        found = await transaction.get(helpers.NAME)
        assert found is not None
        loop.platform.next = plan
        loop.queue.wake(helpers.NAME)
        await loop.looks(1)
        await transaction.replace(replace(found, replica_count=3), wanted=True)
    written = await loop.until(lambda found: found is not None and found.status.step == "for 3", helpers.NAME)
    assert written is not None
    assert (written.replica_count, written.status.state) == (3, State.ACTIVE)


async def test_a_platform_that_fails_is_asked_again_and_harms_no_other(loop: Loop, helpers: Any) -> None:
    other = "projects/default/deployments/other"
    await loop.looks(1)

    def fail(deployment: Deployment, now: datetime) -> Plan:
        del now
        if deployment.name == helpers.NAME:
            raise OSError(28, "No space left on device")
        return Plan(deployment.status)

    loop.platform.next = fail
    loop.queue.wake(helpers.NAME)
    assert await loop.looks(3) == [helpers.NAME] * 3
    async with loop.store.transaction() as transaction:
        await transaction.add(replace(helpers.make_deployment(), name=other))
    loop.queue.wake(other)
    async with asyncio.timeout(10):
        while await loop.platform.planned.get() != other:
            pass


async def test_it_looks_again_at_the_time_that_was_planned(loop: Loop, helpers: Any) -> None:
    await loop.looks(1)
    loop.platform.next = lambda found, now: Plan(found.status, again_time=now + timedelta(seconds=0.05))
    loop.queue.wake(helpers.NAME)
    assert await loop.looks(3) == [helpers.NAME] * 3


async def test_what_is_gone_is_removed_and_its_operations_end(loop: Loop, helpers: Any) -> None:
    await loop.looks(1)
    deletion = Operation.begin(helpers.NAME, Verb.DELETE, helpers.NOON)
    async with loop.store.transaction() as transaction:
        found = await transaction.get(helpers.NAME)
        assert found is not None
        status = replace(found.status, state=State.DELETING)
        await transaction.replace(replace(found, status=status), wanted=True)
        await transaction.put_operation(deletion)
        unfinished = {operation.verb: operation for operation in await transaction.unfinished(helpers.NAME)}
    loop.platform.next = lambda found, _: Plan(found.status, gone=True)
    loop.queue.wake(helpers.NAME)
    assert await loop.platform.forgotten.get() == helpers.NAME
    async with loop.store.reading() as transaction:
        assert await transaction.get(helpers.NAME) is None
        ended = [await transaction.operation(name) for name in (unfinished[Verb.CREATE].name, deletion.name)]
    assert [(found.done, found.error_reason) for found in ended if found] == [(True, "DEPLOYMENT_DELETING"), (True, "")]


async def test_only_what_somebody_wants_otherwise_is_woken_by_the_feed(loop: Loop, helpers: Any) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()

    async def write(*, wanted: bool, **changes: Any) -> None:
        async with loop.store.transaction() as transaction:
            found = await transaction.get(helpers.NAME)
            assert found is not None
            await transaction.replace(replace(found, **changes), wanted=wanted)

    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        following = group.create_task(FeedFollower(loop.store, woken.put_nowait).run())
        assert await woken.get() == helpers.NAME
        await write(wanted=False, status=Status(step="a"))
        await write(wanted=True, replica_count=2)
        assert await woken.get() == helpers.NAME
        await write(wanted=False, status=Status(step="b"))
        async with loop.store.transaction() as transaction:
            await transaction.remove(helpers.NAME)
        assert await woken.get() == helpers.NAME
        assert woken.empty()
        following.cancel()
