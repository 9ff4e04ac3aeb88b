"""From calls and the deployer's tellings to what an Envoy is sent, over real sockets."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from kea.router.v1 import data_plane_service_pb2, endpoint_pb2, endpoint_service_pb2
from kea_router.xds.resource import CLUSTER, ENDPOINTS, ROUTES, SCOPE

GET = endpoint_service_pb2.GetEndpointRequest
DELETE = endpoint_service_pb2.DeleteEndpointRequest
STATUS = data_plane_service_pb2.GetDataPlaneStatusRequest
NAME = "projects/default/endpoints/iris"
V1 = "projects/default/deployments/v1"
ACTIVE = endpoint_pb2.Endpoint.STATE_ACTIVE
UNAVAILABLE = endpoint_pb2.Endpoint.STATE_UNAVAILABLE


def wanted(timeout_seconds: int = 5, *, deployment: str = V1) -> endpoint_pb2.Endpoint:
    target = endpoint_pb2.Target(deployment=deployment, weight=10_000)
    timeout = duration_pb2.Duration(seconds=timeout_seconds)
    return endpoint_pb2.Endpoint(name=NAME, targets=[target], timeout=timeout)


def seconds(count: int) -> bytes:
    """Returns what a route with a time-out of so many seconds has in it."""
    return duration_pb2.Duration(seconds=count).SerializeToString()


async def make(router: Any) -> Any:
    return await router.endpoints.CreateEndpoint(
        endpoint_service_pb2.CreateEndpointRequest(parent="projects/default", endpoint_id="iris", endpoint=wanted())
    )


async def change(router: Any, endpoint: Any) -> Any:
    return await router.endpoints.UpdateEndpoint(endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint))


async def state(router: Any) -> tuple[int, bool, list[str]]:
    endpoint = await router.endpoints.GetEndpoint(GET(name=NAME))
    return endpoint.state, endpoint.reconciling, [condition.reason for condition in endpoint.conditions]


async def test_an_endpoint_goes_from_made_to_taken_to_served_and_back(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router:
        made = await make(router)
        assert (made.state, made.reconciling) == (UNAVAILABLE, True)
        async with router.envoy() as following:

            async def is_now(*expected: Any) -> bool:
                return await state(router) == expected

            await helpers.eventually(lambda: is_now(UNAVAILABLE, False, ["NO_READY_REPLICA", "ACKNOWLEDGED"]))
            deployer.put(V1, [helpers.ready_replica()])
            await helpers.eventually(lambda: is_now(ACTIVE, False, ["READY", "ACKNOWLEDGED"]))
            assert b"/run/r0.http" in following.envoy.held[ENDPOINTS][f"{V1}/http"][1]
            deployer.remove(V1)
            await helpers.eventually(lambda: is_now(UNAVAILABLE, False, ["NO_READY_REPLICA", "ACKNOWLEDGED"]))
            await router.endpoints.DeleteEndpoint(DELETE(name=NAME))
            await following.until(lambda envoy: NAME not in envoy.held[SCOPE] and NAME not in envoy.held[ROUTES])
            await following.until(lambda envoy: f"{V1}/http" not in envoy.held[CLUSTER])
        await make(router)
        assert (await state(router))[1:] == (True, ["NO_READY_REPLICA", "PENDING"])


async def test_two_routers_on_one_database_publish_the_same(start_router: Any, helpers: Any) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(start_router()) for _ in range(2)]
        first, second = [await stack.enter_async_context(router.envoy()) for router in (one, other)]
        await make(one)
        await change(other, wanted(1717))

        def is_there(envoy: Any) -> bool:
            return seconds(1717) in envoy.held[ROUTES].get(NAME, ("", b""))[1]

        await first.until(is_there)
        await second.until(is_there)
        assert all(first.envoy.held[kind] == second.envoy.held[kind] for kind in (ROUTES, SCOPE, ENDPOINTS))


async def test_after_a_new_start_an_envoy_gets_only_differences(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    deployer.put(V1, [helpers.ready_replica()])
    async with start_router(deployer) as router:
        before = await make(router)
        async with router.envoy() as following:
            await following.until(lambda envoy: NAME in envoy.held[ROUTES])
            envoy = following.envoy
    async with start_router(deployer) as router:
        after = await router.endpoints.GetEndpoint(GET(name=NAME))
        assert (after.etag, after.create_time, after.targets) == (before.etag, before.create_time, before.targets)
        backends = {("auth", CLUSTER), ("deployer", CLUSTER), ("router", CLUSTER)}  # at other addresses now
        envoy.received.clear()
        async with router.envoy(envoy) as following:
            await change(router, wanted(1717))
            await following.until(lambda envoy: seconds(1717) in envoy.held[ROUTES][NAME][1])
            received = {(name, kind) for kind, name in envoy.received}
            assert received == backends | {(NAME, ROUTES)}
            assert not envoy.removed


async def test_a_router_that_does_not_know_all_yet_takes_nothing_away(
    start_router: Any, helpers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router:
        await make(router)
        async with router.envoy() as following:
            await following.until(lambda envoy: NAME in envoy.held[ROUTES])
            envoy = following.envoy
    deployer.silent = True
    async with start_router(deployer, wait=False) as router, router.envoy(envoy) as following:
        await asyncio.sleep(0.2)  # there is no event for what does not happen
        assert not envoy.removed
        assert NAME in envoy.held[ROUTES]
        deployer.speak()
        await helpers.eventually(lambda: is_ready(router))
        assert not envoy.removed


async def is_ready(router: Any) -> bool:
    try:
        return not (await state(router))[1]
    except grpc.aio.AioRpcError as error:
        # A router that has just started does not know auth's keys yet; callers are told to try again.
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False


async def test_a_watch_that_expires_keeps_what_is_known_until_all_is_told_anew(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    deployer.put(V1, [helpers.ready_replica()])
    deployer.put(V1.replace("v1", "v2"), [helpers.ready_replica("other")])
    async with start_router(deployer) as router, router.envoy() as following:
        await make(router)
        await following.until(lambda envoy: b"r0.http" in envoy.held[ENDPOINTS].get(f"{V1}/http", ("", b""))[1])
        envoy = following.envoy
        envoy.received.clear()
        deployer.lose(V1.replace("v1", "v2"))
        deployer.interrupt()
        deployer.put(V1, [helpers.ready_replica("r1")])
        await following.until(lambda envoy: b"r1.http" in envoy.held[ENDPOINTS][f"{V1}/http"][1])
        assert envoy.received.count((ENDPOINTS, f"{V1}/http")) == 1  # never without replicas
        await change(router, wanted(deployment=V1.replace("v1", "v2")))
        name = f"{V1.replace('v1', 'v2')}/http"
        await following.until(lambda envoy: name in envoy.held[ENDPOINTS])
        assert b"other" not in envoy.held[ENDPOINTS][name][1]


async def test_a_deployment_that_makes_no_sense_is_logged_and_others_go_on(
    start_router: Any, helpers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router, router.envoy() as following:
        await make(router)
        with caplog.at_level(logging.ERROR):
            deployer.put("projects/default/deployments/broken", [helpers.ready_replica(http_address="nonsense")])
            deployer.put(V1, [helpers.ready_replica()])
            await following.until(lambda envoy: b"r0.http" in envoy.held[ENDPOINTS].get(f"{V1}/http", ("", b""))[1])
        assert [record.message for record in caplog.records] == ["deployment left as it was"]


async def test_the_data_plane_tells_what_each_envoy_has_taken_and_refused(start_router: Any, helpers: Any) -> None:
    def refuses(kind: str, _name: str, body: bytes) -> bool:
        return kind == ROUTES and seconds(1313) in body

    async with start_router() as router:
        status = await router.data_plane.GetDataPlaneStatus(STATUS())
        assert (len(status.nodes), status.refusal_count) == (0, 0)
        await make(router)
        async with router.envoy(helpers.FakeEnvoy(refuses=refuses)) as following:
            await following.until(lambda envoy: NAME in envoy.held[ROUTES])
            await helpers.eventually(lambda: is_ready(router))
            status = await router.data_plane.GetDataPlaneStatus(STATUS())
            (node,) = status.nodes
            assert (node.id, node.synced) == ("fake", True)
            assert node.connect_time.seconds
            counts = {kind.type_url: kind.acknowledged_count for kind in node.types}
            assert counts == {kind: len(held) for kind, held in following.envoy.held.items()}
            good = following.envoy.held[ROUTES][NAME]
            await change(router, wanted(1313))
            refused = endpoint_refusal(router)
            assert await helpers.eventually(refused) == f"bad: {NAME}"
            assert following.envoy.held[ROUTES][NAME] == good
            status = await router.data_plane.GetDataPlaneStatus(STATUS())
            (routes,) = [kind for kind in status.nodes[0].types if kind.type_url == ROUTES]
            assert (routes.last_refusal, status.refusal_count) == (f"bad: {NAME}", 1)
            assert routes.refuse_time.seconds
            assert not status.nodes[0].synced
            await change(router, wanted(1717))
            await helpers.eventually(lambda: is_ready(router))
            status = await router.data_plane.GetDataPlaneStatus(STATUS())
            assert status.nodes[0].synced
            assert not [kind.last_refusal for kind in status.nodes[0].types if kind.last_refusal]
            assert status.median_acknowledge_duration.ToNanoseconds() > 0
        assert router.metrics.get_sample_value("kea_xds_refusals_total", {"type": "RouteConfiguration"}) == 1

        async def nobody() -> bool:
            return not (await router.data_plane.GetDataPlaneStatus(STATUS())).nodes

        await helpers.eventually(nobody)


def endpoint_refusal(router: Any) -> Any:
    async def refusal() -> str:
        endpoint = await router.endpoints.GetEndpoint(GET(name=NAME))
        condition = {condition.type: condition for condition in endpoint.conditions}["Published"]
        return condition.message if condition.reason == "REFUSED" else ""

    return refusal


async def test_only_who_may_sees_the_data_plane(start_router: Any, helpers: Any) -> None:
    async with start_router(role="consumer") as router:
        denied = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        assert await helpers.refused(router.data_plane.GetDataPlaneStatus(STATUS())) == denied
