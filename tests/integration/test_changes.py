"""What changes, changes under the feet of callers who notice nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


async def connections(plane: Any) -> int:
    return (await plane.envoy.stats("http.gateway.downstream_cx_total$"))["http.gateway.downstream_cx_total"]


async def test_changed_weights_take_effect_and_no_connection_is_dropped(start_plane: Any, callers: Any) -> None:
    async with start_plane() as plane:
        for name in ("v1", "v2"):
            plane.deploy(name, await plane.upstream(name))
        await plane.create("iris", v1=10_000, v2=0)
        await plane.settled("iris")
        async with callers(plane)() as calling:
            before = await connections(plane)
            for weights in ({"v1": 0, "v2": 10_000}, {"v1": 10_000, "v2": 0}) * 5:
                await plane.update("iris", **weights)
                await plane.settled("iris")
                (served,) = [name for name, weight in weights.items() if weight]
                await calling.more(20, served)
            assert not calling.failures, calling.failures[:3]
            assert await connections(plane) == before
        assert set(calling.served_by) == {"v1", "v2"}


async def test_a_new_deployment_is_ready_before_routes_lead_to_it(start_plane: Any, callers: Any) -> None:
    async with start_plane() as plane:
        plane.deploy("v0", await plane.upstream("v0"))
        await plane.create("iris", v0=10_000)
        await plane.settled("iris")
        async with callers(plane)() as calling:
            before = await connections(plane)
            for number in range(1, 9):
                name = f"v{number}"
                plane.deploy(name, await plane.upstream(name), version=number)
                await plane.update("iris", **{name: 10_000})  # clusters come, routes move, clusters go
                await calling.more(10, name)
            await plane.settled("iris")
            assert not calling.failures, calling.failures[:3]
            assert await connections(plane) == before
        assert set(calling.served_by) == {f"v{number}" for number in range(9)}


async def test_changed_replicas_take_effect_and_no_connection_is_dropped(start_plane: Any, callers: Any) -> None:
    async with start_plane() as plane:
        one, two, three = [await plane.upstream(name) for name in ("one", "two", "three")]
        plane.deploy("v1", one)
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        async with callers(plane)() as calling:
            before = await connections(plane)
            plane.deploy("v1", one, two)
            await calling.more(20, "two")
            plane.deploy("v1", two, three)
            await calling.more(20, "three")
            await plane.settled("iris")
            left = one.requests
            await calling.more(50)
            assert one.requests == left
            assert not calling.failures, calling.failures[:3]
            assert await connections(plane) == before


async def test_a_replica_that_dies_is_replaced_by_another_and_used_again_when_it_is_back(
    start_plane: Any, eventually: Any
) -> None:
    async with start_plane() as plane:
        one, two = [await plane.upstream(name) for name in ("one", "two")]
        plane.deploy("v1", one, two)
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        assert {await plane.served_by() for _ in range(50)} == {"one", "two"}
        one.die()
        assert {await plane.served_by() for _ in range(50)} == {"two"}
        await one.start()

        async def is_back() -> bool:
            return await plane.served_by() == "one"

        await eventually(is_back)


@pytest.mark.parametrize(
    ("retry", "status"), [("RETRY_UNSPECIFIED", 503), ("RETRY_UNSENT", 503), ("RETRY_UNANSWERED", 200)]
)
async def test_a_request_that_dies_with_its_replica_is_sent_again_only_where_that_is_wanted(
    start_plane: Any, retry: str, status: int
) -> None:
    async with start_plane() as plane:
        replicas = [await plane.upstream(name) for name in ("one", "two")]
        for replica in replicas:
            replica.holding = True
        plane.deploy("v1", *replicas)
        await plane.create("iris", v1=10_000)
        await plane.retry("iris", retry)
        await plane.settled("iris")
        async with asyncio.TaskGroup() as tasks:
            calling = tasks.create_task(plane.call())
            holds = [tasks.create_task(replica.held.wait(), name=replica.name) for replica in replicas]
            (held,), waiting = await asyncio.wait(holds, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            victim, other = sorted(replicas, key=lambda replica: replica.name != held.get_name())
            other.holding = False
            victim.die()
        answer = calling.result()
        assert answer.status_code == status, answer.text
        assert other.requests == (status == 200)
        if status == 503:
            assert answer.json()["reason"] == "REPLICA_LOST"
            assert "whether the model has run is not known" in answer.json()["detail"]


async def test_when_all_replicas_are_dead_it_is_told_and_the_next_one_serves(start_plane: Any, eventually: Any) -> None:
    async with start_plane() as plane:
        one = await plane.upstream("one")
        plane.deploy("v1", one)
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        one.die()
        assert (await plane.call()).status_code == 503
        plane.deploy("v1", await plane.upstream("two"))

        async def is_served() -> bool:
            return (await plane.call()).status_code == 200

        await eventually(is_served)
