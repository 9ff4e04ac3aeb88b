"""How many requests a real Envoy lets be in progress: of an endpoint, of each consumer at it, of a project."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, limits_pb2, limits_service_pb2, limits_service_pb2_grpc
from kea_core.testing.tokens import make_token
from kea_gateway.inference_messages import message_class

PROJECT = "projects/default"
ADA, EVE = "users/ada", "users/eve"
IRIS, WINE = "/models/iris/predict", "/models/wine/predict"
MODEL_READY = "/inference.GRPCInferenceService/ModelReady"
Limits = limits_pb2.Limits
Request, Response = message_class("ModelReadyRequest"), message_class("ModelReadyResponse")


class Gate:
    """A data plane whose only upstream keeps requests for as long as it is told to."""

    def __init__(self, plane: Any, upstream: Any, eventually: Any) -> None:
        self.plane = plane
        self._upstream = upstream
        self._eventually = eventually

    async def limit(self, limits: limits_pb2.Limits, name: str = "iris") -> None:
        """Gives an endpoint its limits, and waits until Envoy has them."""
        endpoint = endpoint_pb2.Endpoint(name=f"{PROJECT}/endpoints/{name}", limits=limits)
        request = endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint, update_mask={"paths": ["limits"]})
        await self.plane.endpoints.UpdateEndpoint(request)
        await self.plane.settled(name)

    async def limit_project(self, most: int) -> None:
        """Gives the project its limit, and waits until Envoy has it."""
        name = "extension_config_discovery.http_filter.kea.filters.http.project_concurrency.config_reload"
        before = (await self.plane.envoy.stats(name)).get(name, 0)
        wanted = limits_pb2.ProjectLimits(name=f"{PROJECT}/limits", max_concurrent_requests=most)
        await limits_service_pb2_grpc.LimitsServiceStub(self.plane.channel).UpdateProjectLimits(
            limits_service_pb2.UpdateProjectLimitsRequest(
                project_limits=wanted, update_mask={"paths": ["max_concurrent_requests"]}
            )
        )

        async def taken() -> bool:
            return (await self.plane.envoy.stats(name)).get(name, 0) > before

        await self._eventually(taken)

    async def call(self, subject: str = ADA, path: str = IRIS) -> httpx.Response:
        headers = {"authorization": f"Bearer {make_token('admin', subject=subject)}"}
        return await self.plane.http.post(path, json={"x": [1]}, headers=headers)

    async def codes(self, *calls: tuple[str, str]) -> list[int]:
        """Calls one after the other, by subject and path."""
        return [(await self.call(*each)).status_code for each in calls]

    @asynccontextmanager
    async def hold(self, *calls: tuple[str, str]) -> AsyncGenerator[Sequence[asyncio.Task[httpx.Response]], None]:
        """Has calls in progress, all let through, while the block runs; then their callers hang up."""
        self._upstream.holding = True
        before = self._upstream.requests
        async with asyncio.TaskGroup() as tasks:
            held = [tasks.create_task(self.call(*each)) for each in calls]

            async def arrived() -> bool:
                return self._upstream.requests == before + len(calls)

            await self._eventually(arrived)
            self._upstream.holding = False
            yield held
            for task in held:
                task.cancel()

    async def free(self, subject: str = ADA, path: str = IRIS) -> None:
        """Waits until a call is let through: that a caller is gone is seen a moment later."""

        async def answered() -> bool:
            return (await self.call(subject, path)).status_code == 200

        await self._eventually(answered)


@pytest.fixture
async def gate(start_plane: Any, eventually: Any) -> AsyncGenerator[Gate, None]:
    async with start_plane() as plane:
        upstream = await plane.upstream("a")
        plane.deploy("v1", upstream)
        for name in ("iris", "wine"):
            await plane.create(name, v1=10_000)
            await plane.settled(name)
        yield Gate(plane, upstream, eventually)


async def test_no_more_than_so_many_are_in_progress_however_they_end(gate: Gate) -> None:
    await gate.limit(Limits(max_concurrent_requests=3))
    for _ in range(3):
        async with gate.hold(*[(ADA, IRIS)] * 3):
            refused = await gate.call()
            assert (refused.status_code, refused.json()["reason"]) == (429, "TOO_MANY_AT_ONCE")
            assert refused.headers["retry-after"] == "1"
        await gate.free()


async def test_of_each_consumer_no_more_than_so_many_are_in_progress_however_they_end(gate: Gate) -> None:
    await gate.limit(Limits(max_concurrent_requests_per_consumer=2))
    for _ in range(3):
        async with gate.hold((ADA, IRIS), (ADA, IRIS), (EVE, IRIS)):
            refused = await gate.call()
            assert (refused.status_code, refused.json()["reason"]) == (429, "TOO_MANY_AT_ONCE")
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["retry-after"] == "1"
            oip = await gate.call(path="/v2/models/iris/infer")
            assert (oip.status_code, list(oip.json())) == (429, ["error"])
            # neither another consumer, nor the same one elsewhere, is held to it
            assert await gate.codes((EVE, IRIS), ("serviceAccounts/ada", IRIS), (ADA, WINE)) == [200] * 3
        await gate.free()
        async with gate.hold((ADA, IRIS), (ADA, IRIS)):  # both places are there again, and no more
            assert await gate.codes((ADA, IRIS)) == [429]
        await gate.free()


async def test_answers_and_refusals_give_a_consumers_place_back(gate: Gate) -> None:
    limits = Limits(max_concurrent_requests_per_consumer=1, total=limits_pb2.RateLimit(requests=1000, burst=1000))
    await gate.limit(limits)
    assert await gate.codes(*[(ADA, IRIS)] * 20) == [200] * 20
    async with gate.hold((EVE, IRIS)):
        for _ in range(20):
            assert await gate.codes((EVE, IRIS), (ADA, IRIS)) == [429, 200]
    await gate.free(EVE)
    # refused by what comes after: the place is free, though the tokens are gone
    limits.total.CopyFrom(limits_pb2.RateLimit(requests=1, burst=3, period={"seconds": 3600}))
    await gate.limit(limits)
    refused = [(await gate.call()) for _ in range(9)][3:]
    assert {answer.json()["reason"] for answer in refused} == {"RATE_LIMITED"}


async def test_who_asks_too_much_takes_no_place_of_the_others(gate: Gate) -> None:
    await gate.limit(Limits(max_concurrent_requests=3, max_concurrent_requests_per_consumer=2))
    async with gate.hold((ADA, IRIS), (ADA, IRIS)):
        assert await gate.codes(*[(ADA, IRIS)] * 5) == [429] * 5
        async with gate.hold((EVE, IRIS)):
            assert await gate.codes(("users/bob", IRIS)) == [429]  # the three of all
        await gate.free(EVE)
        assert await gate.codes((ADA, IRIS)) == [429]


async def test_a_change_of_the_endpoint_lets_no_consumer_have_more(gate: Gate) -> None:
    await gate.limit(Limits(max_concurrent_requests_per_consumer=2))
    async with gate.hold((ADA, IRIS), (ADA, IRIS)):
        await gate.limit(Limits(max_concurrent_requests_per_consumer=2, max_concurrent_requests=50))
        assert await gate.codes((ADA, IRIS), (EVE, IRIS)) == [429, 200]
        await gate.limit(Limits(max_concurrent_requests_per_consumer=3))
        async with gate.hold((ADA, IRIS)):
            assert await gate.codes((ADA, IRIS)) == [429]
        await gate.limit(Limits())
        assert await gate.codes((ADA, IRIS)) == [200]
    await gate.limit(Limits(max_concurrent_requests_per_consumer=1))
    await gate.free()
    async with gate.hold((ADA, IRIS)):
        assert await gate.codes((ADA, IRIS)) == [429]


async def test_a_projects_requests_in_progress_are_counted_over_its_endpoints(gate: Gate) -> None:
    await gate.limit_project(3)
    for _ in range(2):
        async with gate.hold((ADA, IRIS), (ADA, WINE), (EVE, WINE)):
            refused = await gate.call(path=WINE)
            assert (refused.status_code, refused.json()["reason"]) == (429, "TOO_MANY_AT_ONCE")
            assert await gate.codes((EVE, IRIS)) == [429]
            answer = await gate.plane.http.get(
                f"/api/v1/{PROJECT}/limits", headers={"authorization": f"Bearer {make_token('admin')}"}
            )
            assert (answer.status_code, answer.json()["maxConcurrentRequests"]) == (200, 3)  # managing goes on
        await gate.free()
    async with gate.hold((ADA, IRIS), (ADA, WINE)):
        await gate.limit_project(2)
        assert await gate.codes((EVE, IRIS)) == [429]
        await gate.limit_project(0)
        assert await gate.codes((EVE, IRIS)) == [200]


async def test_grpc_callers_are_counted_and_told(gate: Gate) -> None:
    await gate.limit(Limits(max_concurrent_requests_per_consumer=1))
    metadata = (("authorization", f"Bearer {make_token('admin', subject=ADA)}"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gate.plane.envoy.port}") as channel, gate.hold((ADA, IRIS)):
        ask: Any = channel.unary_unary(
            MODEL_READY, request_serializer=Request.SerializeToString, response_deserializer=Response.FromString
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(Request(name="iris"), metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == "too many requests are in progress; try again in a second"


async def test_limits_that_change_under_load_drop_no_request_and_leak_no_place(gate: Gate, callers: Any) -> None:
    async with callers(gate.plane)() as load:
        for number in range(1, 6):
            await gate.limit(Limits(max_concurrent_requests_per_consumer=100 * number))
            await gate.limit_project(1000 * number)
            await load.more(40)
            await gate.limit(Limits(max_concurrent_requests=100 * number))
            await load.more(20)
    assert load.failures == []
    await gate.limit(Limits(max_concurrent_requests_per_consumer=1))
    await gate.limit_project(1)
    await gate.free("users/admin")
    assert await gate.codes(*[("users/admin", IRIS)] * 5) == [200] * 5
