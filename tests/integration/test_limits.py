"""What limits do at a real Envoy. Rates are so low that no token comes back while a test runs: counts are exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import duration_pb2, field_mask_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, limits_pb2, limits_service_pb2, limits_service_pb2_grpc
from kea_core.testing.tokens import make_token
from kea_gateway.inference_messages import message_class

PROJECT = "projects/default"
HOUR = 3600
MODEL_READY = "/inference.GRPCInferenceService/ModelReady"
Request, Response = message_class("ModelReadyRequest"), message_class("ModelReadyResponse")


def rate(requests: int, *, burst: int = 0, seconds: int = HOUR) -> limits_pb2.RateLimit:
    return limits_pb2.RateLimit(requests=requests, burst=burst, period=duration_pb2.Duration(seconds=seconds))


async def limit(plane: Any, limits: limits_pb2.Limits, name: str = "iris") -> None:
    """Gives an endpoint its limits, and waits until Envoy has them."""
    endpoint = endpoint_pb2.Endpoint(name=f"{PROJECT}/endpoints/{name}", limits=limits)
    request = endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint, update_mask={"paths": ["limits"]})
    await plane.endpoints.UpdateEndpoint(request)
    await plane.settled(name)


async def serve(plane: Any, *names: str) -> Any:
    """Makes endpoints, served by one upstream."""
    upstream = await plane.upstream("a")
    plane.deploy("v1", upstream)
    for name in names:
        await plane.create(name, v1=10_000)
        await plane.settled(name)
    return upstream


async def call(plane: Any, subject: str = "users/ada", path: str = "/models/iris/predict") -> httpx.Response:
    token = make_token("admin", subject=subject)
    return await plane.http.post(path, json={"x": [1]}, headers={"authorization": f"Bearer {token}"})


async def codes(plane: Any, count: int, subject: str = "users/ada", path: str = "/models/iris/predict") -> list[int]:
    return [(await call(plane, subject, path)).status_code for _ in range(count)]


@pytest.fixture
def grpc_caller() -> Callable[..., AbstractAsyncContextManager[Callable[[str], Any]]]:
    """Serves gRPC beside an upstream; gives what asks a model whether it is ready."""

    async def ready(request: Any, context: Any) -> Any:
        del request, context
        return Response(ready=True)

    @asynccontextmanager
    async def serving(plane: Any, upstream: Any) -> AsyncGenerator[Callable[[str], Any], None]:
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            ready, request_deserializer=Request.FromString, response_serializer=Response.SerializeToString
        )
        service, method = MODEL_READY[1:].split("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        server.add_insecure_port(upstream.replica.grpc_address)
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{plane.envoy.port}") as channel:
            ask: Any = channel.unary_unary(
                MODEL_READY, request_serializer=Request.SerializeToString, response_deserializer=Response.FromString
            )
            metadata = (("authorization", f"Bearer {make_token('admin')}"),)
            yield lambda model: ask(Request(name=model), metadata=metadata)
        await server.stop(0)

    return serving


async def test_all_routes_of_an_endpoint_and_both_protocols_share_its_tokens(
    start_plane: Any, grpc_caller: Any
) -> None:
    async with start_plane() as plane:
        upstream = await serve(plane, "iris")
        await limit(plane, limits_pb2.Limits(total=rate(1, burst=6)))
        async with grpc_caller(plane, upstream) as ask:
            assert await codes(plane, 2) == [200, 200]
            assert await codes(plane, 2, path="/v2/models/iris/versions/1/infer") == [200, 200]
            assert (await ask("iris")).ready
            assert (await ask("iris")).ready
            assert await codes(plane, 1) == [429]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask("iris")
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caught.value.details() == "too many requests; Retry-After says when the next may come"
        headers = dict(caught.value.initial_metadata() or ()) | dict(caught.value.trailing_metadata() or ())
        assert 0 < int(str(headers["retry-after"])) <= HOUR
        assert upstream.requests == 4


async def test_a_refusal_has_the_shape_of_its_protocol_and_says_when_to_come_back(start_plane: Any) -> None:
    async with start_plane() as plane:
        await serve(plane, "iris")
        await limit(plane, limits_pb2.Limits(total=rate(2, burst=1)))
        first = await call(plane)
        assert (first.status_code, first.headers["x-ratelimit-limit"]) == (200, "1")
        problem = await call(plane)
        assert problem.status_code == 429
        assert problem.headers["content-type"] == "application/problem+json"
        assert problem.json()["reason"] == "RATE_LIMITED"
        assert problem.headers["x-ratelimit-remaining"] == "0"
        oip = await call(plane, path="/v2/models/iris/infer")
        assert oip.status_code == 429
        assert list(oip.json()) == ["error"]
        for answer in (problem, oip):
            assert HOUR / 2 - 60 < int(answer.headers["retry-after"]) <= HOUR / 2  # the time of one token


async def test_a_consumer_that_asks_too_much_slows_no_other(start_plane: Any) -> None:
    async with start_plane() as plane:
        await serve(plane, "iris")
        await limit(plane, limits_pb2.Limits(total=rate(1, burst=6), per_consumer=rate(1, burst=3)))
        assert await codes(plane, 8, "users/ada") == [200] * 3 + [429] * 5
        assert await codes(plane, 4, "serviceAccounts/ci") == [200] * 3 + [429]
        assert await codes(plane, 1, "users/eve") == [429]  # the six of all are gone
        await limit(plane, limits_pb2.Limits(per_consumer=rate(1, burst=2)))
        for subject in (f"users/u{number}" for number in range(30)):  # more than Envoy's own default keeps count of
            assert await codes(plane, 3, subject) == [200, 200, 429]
        assert await codes(plane, 1, "users/u0") == [429]


async def test_tokens_come_back(start_plane: Any, eventually: Any) -> None:
    async with start_plane() as plane:
        await serve(plane, "iris")
        await limit(plane, limits_pb2.Limits(total=rate(1, burst=2, seconds=2)))

        async def refused() -> bool:
            return (await call(plane)).status_code == 429

        async def taken() -> bool:
            return (await call(plane)).status_code == 200

        await eventually(refused)
        await eventually(taken)


async def test_who_may_not_call_takes_no_token(start_plane: Any) -> None:
    async with start_plane() as plane:
        await serve(plane, "iris")
        await limit(plane, limits_pb2.Limits(total=rate(1, burst=2), per_consumer=rate(1, burst=2)))
        for role, status in (("viewer", 403), ("", 401)):
            assert [(await plane.call(role=role)).status_code for _ in range(5)] == [status] * 5
        assert await codes(plane, 3) == [200, 200, 429]


async def test_a_projects_limit_is_of_all_its_endpoints(start_plane: Any, eventually: Any) -> None:
    async with start_plane() as plane:
        await serve(plane, "iris", "wine")
        stub = limits_service_pb2_grpc.LimitsServiceStub(plane.channel)
        name = f"{PROJECT}/limits"
        assert await stub.GetProjectLimits(
            limits_service_pb2.GetProjectLimitsRequest(name=name)
        ) == limits_pb2.ProjectLimits(name=name, etag='"0"')
        wanted = limits_pb2.ProjectLimits(name=name, total=rate(1, burst=5))
        made = await stub.UpdateProjectLimits(limits_service_pb2.UpdateProjectLimitsRequest(project_limits=wanted))
        assert (made.total, made.etag != '"0"') == (wanted.total, True)

        async def refused() -> bool:
            return (await call(plane, path="/models/wine/predict")).status_code == 429

        await eventually(refused)
        answer = await call(plane)
        assert (answer.status_code, answer.json()["reason"]) == (429, "RATE_LIMITED")
        assert int(answer.headers["retry-after"]) > 0
        mask = field_mask_pb2.FieldMask(paths=["total"])
        none = limits_pb2.ProjectLimits(name=name, etag=made.etag)
        await stub.UpdateProjectLimits(
            limits_service_pb2.UpdateProjectLimitsRequest(project_limits=none, update_mask=mask)
        )

        async def taken() -> bool:
            return await codes(plane, 10) == [200] * 10

        await eventually(taken)
        headers = {"authorization": f"Bearer {make_token('admin')}"}
        patched = await plane.http.patch(f"/api/v1/{name}", json={"total": {"requests": 9}}, headers=headers)
        shown = await plane.http.get(f"/api/v1/{name}", headers=headers)
        assert (patched.status_code, shown.json()) == (200, patched.json())
        assert shown.json()["total"] == {"requests": 9}


async def test_what_an_endpoint_refuses_takes_nothing_of_its_project(start_plane: Any, eventually: Any) -> None:
    async with start_plane() as plane:
        await serve(plane, "iris", "wine")
        stub = limits_service_pb2_grpc.LimitsServiceStub(plane.channel)
        wanted = limits_pb2.ProjectLimits(name=f"{PROJECT}/limits", total=rate(1, burst=8))
        await stub.UpdateProjectLimits(limits_service_pb2.UpdateProjectLimitsRequest(project_limits=wanted))
        await limit(plane, limits_pb2.Limits(total=rate(1, burst=3)))
        assert Counter(await codes(plane, 10)) == {200: 3, 429: 7}
        assert await codes(plane, 6, path="/models/wine/predict") == [200] * 5 + [429]


async def test_a_limit_that_is_changed_under_load_drops_no_request(start_plane: Any, callers: Any) -> None:
    async with start_plane() as plane:
        await serve(plane, "iris")
        many = limits_pb2.RateLimit(requests=1_000_000)
        async with callers(plane)() as load:
            for number in range(1, 6):
                await limit(plane, limits_pb2.Limits(total=many, max_concurrent_requests=100 * number))
                await load.more(20)
                await limit(plane, limits_pb2.Limits(per_consumer=many))
                await load.more(20)
        assert load.failures == []


async def test_two_gateways_let_through_what_the_limit_says_of_both_together(start_plane: Any, members: Any) -> None:
    members.are(2)
    async with start_plane(members=members, sharing=True) as plane:
        await serve(plane, "iris", "wine")
        other = await plane.join(members)
        await limit(plane, limits_pb2.Limits(total=rate(1, burst=8), per_consumer=rate(1, burst=4)))
        for gateway in (plane, other):
            assert await codes(gateway, 4, "users/ada") == [200] * 2 + [429] * 2
            assert await codes(gateway, 4, "users/eve") == [200] * 2 + [429] * 2
            assert await codes(gateway, 1, "users/bob") == [429]  # the eight of all are gone
        await limit(plane, limits_pb2.Limits(per_consumer=rate(1, burst=6)))
        for gateway in (plane, other):
            assert await codes(gateway, 4) == [200] * 3 + [429]


async def test_two_gateways_let_through_what_a_projects_limit_says_of_both_together(
    start_plane: Any, members: Any, eventually: Any
) -> None:
    members.are(2)
    async with start_plane(members=members, sharing=True) as plane:
        await serve(plane, "iris", "wine")
        other = await plane.join(members)
        stub = limits_service_pb2_grpc.LimitsServiceStub(plane.channel)
        wanted = limits_pb2.ProjectLimits(name=f"{PROJECT}/limits", total=rate(1, burst=10))
        await stub.UpdateProjectLimits(limits_service_pb2.UpdateProjectLimitsRequest(project_limits=wanted))

        async def taken() -> bool:
            name = "extension_config_discovery.http_filter.kea.filters.http.project_limits.config_reload"
            found = [(await gateway.envoy.stats(name)).get(name) for gateway in (plane, other)]
            return found == [2, 2]  # none at first, then these

        await eventually(taken)
        for gateway in (plane, other):
            assert await codes(gateway, 3) == [200] * 3
            assert await codes(gateway, 4, path="/models/wine/predict") == [200] * 2 + [429] * 2


async def test_who_leaves_gives_its_part_of_a_limit_to_those_that_stay(
    start_plane: Any, members: Any, eventually: Any
) -> None:
    members.are(2)
    async with start_plane(members=members, sharing=True) as plane:
        await serve(plane, "iris")
        other = await plane.join(members)
        await limit(plane, limits_pb2.Limits(total=rate(1, burst=8)))
        assert await codes(other, 1) == [200]
        first = await call(plane)
        shown = (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"])
        assert (first.status_code, shown) == (200, ("8", "6"))  # of the whole limit, as if the other took as much
        await other.envoy.stop()
        members.are(1)

        async def alone() -> bool:
            name = "cluster.gateways.membership_total"
            return (await plane.envoy.stats(name)).get(name) == 1

        await eventually(alone)
        assert await codes(plane, 7) == [200] * 6 + [429]


async def test_a_burst_smaller_than_the_number_of_gateways_is_of_one_request_at_each(
    start_plane: Any, members: Any
) -> None:
    members.are(2)
    async with start_plane(members=members, sharing=True) as plane:
        await serve(plane, "iris")
        other = await plane.join(members)
        one = rate(1, burst=1)
        for limits in (limits_pb2.Limits(total=one), limits_pb2.Limits(per_consumer=one)):
            await limit(plane, limits)
            for gateway in (plane, other):
                assert await codes(gateway, 3) == [200, 429, 429]


async def test_a_gateway_that_knows_of_no_other_takes_what_the_router_has_for_it(start_plane: Any) -> None:
    async with start_plane(sharing=True) as plane:  # an older one refuses to share
        await serve(plane, "iris")
        await limit(plane, limits_pb2.Limits(total=rate(1, burst=3), per_consumer=rate(1, burst=1)))
        assert await codes(plane, 2, "users/ada") == [200, 429]
        assert await codes(plane, 2, "users/eve") == [200, 429]
        status = await plane.status()
        assert ([node.synced for node in status.nodes], status.refusal_count) == ([True], 0)
