"""What a data plane does when its control plane is gone, wrong or large."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from kea.router.v1 import endpoint_pb2

ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"


async def loaded(plane: Any) -> dict[str, int]:
    """Returns how often Envoy has taken something new, by what it was."""
    return {
        name: value
        for prefix in ("cluster_manager.cluster_", "http.gateway.rds.", "http.gateway.scoped_rds.")
        for name, value in (await plane.envoy.stats(prefix)).items()
        if name.endswith(("_added", "_removed", "_modified", "config_reload", "update_rejected"))
    }


async def synced(plane: Any) -> bool:
    nodes = (await plane.status()).nodes
    return len(nodes) == 1 and nodes[0].synced


async def test_a_router_that_is_killed_is_not_missed_and_sends_only_differences_when_it_is_back(
    start_plane: Any, router_process: Any, callers: Any, eventually: Any
) -> None:
    async with start_plane(router=router_process) as plane:
        one, two = [await plane.upstream(name) for name in ("one", "two")]
        plane.deploy("v1", one)
        await plane.create("iris", v1=10_000)
        await plane.create("other", v1=10_000)
        for name in ("iris", "other"):
            await plane.settled(name)
        before = await loaded(plane)
        async with callers(plane)() as calling:
            await router_process.kill()
            await calling.more(50)
            plane.deploy("v1", one, two)  # goes unheard
            await router_process.start()
            await plane.settled("iris")
            await eventually(lambda: synced(plane))
            await calling.more(50, "two")
            assert await loaded(plane) == before
            await plane.retry("iris", "RETRY_UNANSWERED")
            await plane.settled("iris")
            changed = {name for name, value in (await loaded(plane)).items() if value != before[name]}
            assert changed == {"http.gateway.rds.projects/default/endpoints/iris.config_reload"}
            assert not calling.failures, calling.failures[:3]


async def test_a_router_that_starts_without_its_neighbours_takes_nothing_away(
    start_plane: Any, router_process: Any, callers: Any
) -> None:
    async with start_plane(router=router_process) as plane:
        plane.deploy("v1", await plane.upstream("one"))
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        before = await loaded(plane)
        connects = "cluster.xds.upstream_cx_total"
        count = (await plane.envoy.stats(connects))[connects]
        await router_process.kill()
        plane.deployer.silent = True
        async with callers(plane)() as calling:
            await router_process.start()
            async with asyncio.timeout(30):
                while (await plane.envoy.stats(connects))[connects] == count:
                    await calling.more(10)
            await calling.more(200)  # it is connected, and could say that nothing is there
            assert await loaded(plane) == before
            plane.deployer.speak()
            await plane.settled("iris")
            assert not calling.failures, calling.failures[:3]


async def test_what_envoy_refuses_is_logged_counted_and_shown_while_the_last_good_one_stays(
    start_plane: Any, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with start_plane() as plane:
        upstream = await plane.upstream("a")
        for name in ("bad", "good"):
            plane.deploy(name, upstream)
            await plane.create(name, **{name: 10_000})
            await plane.settled(name)
        with caplog.at_level(logging.ERROR, "kea_router"):
            beyond = upstream.replica
            beyond.http_address = f"unix:/{'x' * 200}"  # longer than a socket's path may be
            plane.deployer.put("projects/default/deployments/bad", [beyond])
            message = await eventually(lambda: refusal(plane, "bad"))
        assert "exceeds maximum" in message
        (record,) = caplog.records
        assert vars(record)["resources"] == ("projects/default/deployments/bad/http",)
        assert vars(record)["problem"] == message
        assert await plane.served_by("bad") == "a"
        assert not await refusal(plane, "good")
        status = await plane.status()
        (told,) = [kind for kind in status.nodes[0].types if kind.last_refusal]
        assert (told.type_url, told.last_refusal, status.nodes[0].synced) == (ENDPOINTS, message, False)
        labels = {"type": "ClusterLoadAssignment"}
        assert plane.metrics.get_sample_value("kea_xds_refusals_total", labels) == status.refusal_count > 0
        # Others go on, what is refused is not sent again, and what mends it is taken.
        plane.deploy("good", await plane.upstream("b"))
        await plane.settled("good")
        assert await plane.served_by("good") == "b"
        assert (await plane.status()).refusal_count == status.refusal_count
        plane.deploy("bad", await plane.upstream("c"))
        await plane.settled("bad")
        assert await plane.served_by("bad") == "c"
        assert await synced(plane)


async def refusal(plane: Any, name: str) -> str:
    endpoint: endpoint_pb2.Endpoint = await plane.get(name)
    condition = {condition.type: condition for condition in endpoint.conditions}["Published"]
    return condition.message if condition.reason == "REFUSED" else ""


async def test_with_a_thousand_endpoints_a_change_is_taken_at_once_and_all_are_served(
    start_plane: Any, eventually: Any
) -> None:
    count = 1_000
    async with start_plane(seconds=110) as plane:
        for number in range(10):
            plane.deploy(f"d{number}", await plane.upstream(f"d{number}"))
        limit = asyncio.Semaphore(16)

        async def create(number: int) -> None:
            async with limit:
                await plane.create(f"e{number}", **{f"d{number % 10}": 10_000})

        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                tasks.create_task(create(number))
        await eventually(lambda: synced(plane))
        for number in range(1, 51):
            await plane.update("e500", **{f"d{number % 2}": 10_000})
            await plane.settled("e500")
            assert await plane.served_by("e500") == f"d{number % 2}"
        assert (plane.metrics.get_sample_value("kea_xds_acknowledge_seconds_count") or 0) >= 50
        median = (await plane.status()).median_acknowledge_duration.ToMilliseconds()
        assert median < 20, median
        for number in (0, 499, 999):
            assert await plane.served_by(f"e{number}") == f"d{number % 10}"
        # An Envoy that starts now gets all of it.
        await plane.envoy.stop()
        await plane.envoy.start()

        async def serves() -> bool:
            try:
                return (await plane.call("e999")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(serves)
        await eventually(lambda: synced(plane))
