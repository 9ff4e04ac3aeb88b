"""Endpoints are followed through what befalls the database; what is known stays meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kea_core.change_feed import Change, Synced
from kea_core.errors import RevisionExpired
from kea_router import following
from kea_router.publication import World
from kea_router.xds.publisher import PublicationMetrics, Publisher
from prometheus_client import CollectorRegistry


class Store:
    """Stands in for a store: each watch tells its steps, or fails with them, and the last goes on for ever."""

    def __init__(self, *watches: list[Any]) -> None:
        self._watches = list(watches)
        self.asked: list[int] = []
        """Revisions that watches began after."""
        self.told = asyncio.Event()
        """Set once the last watch has told all."""

    async def watch(self, since: int) -> AsyncIterator[Change | Synced]:
        self.asked.append(since)
        for step in self._watches.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step
        if not self._watches:
            self.told.set()
            await asyncio.Event().wait()


class Endpoints:
    """Stands in for the use cases: every endpoint is there."""

    def __init__(self, helpers: Any) -> None:
        self._helpers = helpers

    async def find(self, name: str) -> Any:
        return self._helpers.make_endpoint(name.rpartition("/")[2])


@asynccontextmanager
async def followed(helpers: Any, store: Store) -> AsyncGenerator[World, None]:
    """A world that follows a store, once that has told all."""
    publisher = Publisher(PublicationMetrics(CollectorRegistry()))
    world = World(publisher, helpers.BACKENDS, lambda _endpoint: None)
    world.set_deployment(helpers.deployment_name("v1"), helpers.make_deployment("v1"))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(following.follow_endpoints(store, Endpoints(helpers), world))  # pyright: ignore[reportArgumentType]
        async with asyncio.timeout(10):
            await store.told.wait()
        yield world
        task.cancel()


def known(helpers: Any, world: World) -> list[str]:
    return [short for short in ("iris", "other", "late") if world.serving(helpers.endpoint_name(short))]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE_SECONDS", 0.01)


async def test_a_database_that_is_away_is_asked_again_and_what_was_heard_is_not_told_twice(helpers: Any) -> None:
    iris, other, late = (helpers.endpoint_name(short) for short in ("iris", "other", "late"))
    store = Store(
        [Change(1, iris, False), Change(2, other, False), Synced(2), ConnectionRefusedError("away")],
        [ConnectionRefusedError("still away")],
        [Change(3, other, True), Change(4, late, False), Synced(4)],
    )
    async with followed(helpers, store) as world:
        assert store.asked == [0, 2, 2]
        assert known(helpers, world) == ["iris", "late"]


async def test_what_was_removed_unheard_goes_once_all_is_told_anew(helpers: Any) -> None:
    iris, other = helpers.endpoint_name("iris"), helpers.endpoint_name("other")
    store = Store(
        [Change(1, iris, False), Change(2, other, False), Synced(2), OSError("away")],
        [RevisionExpired(2, 9)],
        [Change(9, iris, False), Synced(9)],
    )
    async with followed(helpers, store) as world:
        assert store.asked == [0, 2, 0]
        assert known(helpers, world) == ["iris"]


async def test_while_all_is_told_anew_what_is_known_holds(helpers: Any) -> None:
    iris, other = helpers.endpoint_name("iris"), helpers.endpoint_name("other")
    store = Store(
        [Change(1, iris, False), Change(2, other, False), Synced(2), OSError("away")],
        [RevisionExpired(2, 9)],
        [Change(9, iris, False)],
    )
    async with followed(helpers, store) as world:
        assert known(helpers, world) == ["iris", "other"]
