"""What a request meets at a real Envoy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import grpc
import pytest
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2
from kea_core.testing.tokens import make_token
from kea_gateway.inference_messages import message_class

MODEL_READY = "/inference.GRPCInferenceService/ModelReady"
Request, Response = message_class("ModelReadyRequest"), message_class("ModelReadyResponse")


async def test_an_endpoint_that_is_made_is_served_and_one_that_is_deleted_is_not(
    start_plane: Any, eventually: Any
) -> None:
    async with start_plane() as plane:
        missing = await plane.call()
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
        made = await plane.create("iris", v1=10_000)
        await plane.settled("iris", endpoint_pb2.Endpoint.STATE_UNAVAILABLE)
        assert (await plane.call()).status_code == 503
        plane.deploy("v1", await plane.upstream("a"))
        await plane.settled("iris")
        answer = await plane.call()
        assert (answer.status_code, answer.json()) == (200, {"served_by": "a", "authorization": None})
        await plane.endpoints.DeleteEndpoint(endpoint_service_pb2.DeleteEndpointRequest(name=made.name))

        async def gone() -> bool:
            return (await plane.call()).status_code == 404

        await eventually(gone)
        await eventually(lambda: without_clusters(plane))


async def without_clusters(plane: Any) -> bool:
    return not await plane.envoy.stats("cluster.projects/")


async def test_a_callers_own_scope_header_chooses_nothing(start_plane: Any) -> None:
    async with start_plane() as plane:
        plane.deploy("v1", await plane.upstream("a"))
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        headers = {"authorization": f"Bearer {make_token('admin')}", "x-kea-model": "default/iris"}
        for path in ("/models/missing/predict", "/v1/models"):
            assert (await plane.http.post(path, json={}, headers=headers)).status_code == 404


async def test_a_split_is_as_wanted_within_chance(start_plane: Any) -> None:
    async with start_plane() as plane:
        for name in ("v1", "v2", "v3"):
            plane.deploy(name, await plane.upstream(name))
        await plane.create("iris", v1=7_000, v2=3_000, v3=0)
        await plane.settled("iris")
        count = 2_000
        served = Counter([await plane.served_by() for _ in range(count)])
        deviation = (count * 0.7 * 0.3) ** 0.5
        assert served["v3"] == 0
        assert served["v1"] + served["v2"] == count
        assert abs(served["v1"] - 0.7 * count) < 5 * deviation, served


async def test_a_version_in_the_address_goes_to_who_serves_it(start_plane: Any) -> None:
    async with start_plane() as plane:
        for version in (1, 2):
            plane.deploy(f"v{version}", await plane.upstream(f"v{version}"), version=version)
        await plane.create("iris", v1=10_000, v2=0)
        await plane.settled("iris")
        for version in (1, 2):
            answer = await plane.call(path=f"/v2/models/iris/versions/{version}/infer")
            assert answer.json()["served_by"] == f"v{version}"
        other = await plane.call(path="/v2/models/iris/versions/3/infer")
        assert (other.status_code, "error" in other.json()) == (404, True)


async def model_ready(request: Any, context: Any) -> Any:
    del context
    return Response(ready=request.name == "iris")


async def test_grpc_is_routed_by_the_message(start_plane: Any) -> None:
    async with start_plane() as plane:
        upstream = await plane.upstream("a")
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            model_ready, request_deserializer=Request.FromString, response_serializer=Response.SerializeToString
        )
        service, method = MODEL_READY[1:].split("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        server.add_insecure_port(upstream.replica.grpc_address)
        await server.start()
        plane.stack.push_async_callback(server.stop, 0)
        plane.deploy("v1", upstream)
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{plane.envoy.port}") as channel:
            call: Any = channel.unary_unary(
                MODEL_READY, request_serializer=Request.SerializeToString, response_deserializer=Response.FromString
            )
            metadata = (("authorization", f"Bearer {make_token('admin')}"),)
            found = await call(Request(name="iris"), metadata=metadata)
            assert found.ready
            for request in (
                Request(name="missing"),
                Request(name="iris", version="7"),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(request, metadata=metadata)
                assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_sessions_cookie_calls_models_from_pages_of_the_same_host_alone(start_plane: Any) -> None:
    token = make_token("admin")
    async with start_plane() as plane:
        plane.deploy("v1", await plane.upstream("a"))
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        here = {"origin": f"http://{plane.http.base_url.netloc.decode()}"}

        async def status(cookie: str, **headers: str) -> int:
            headers |= {"cookie": cookie}
            return int((await plane.http.post("/models/iris/predict", json={}, headers=headers)).status_code)

        # Whichever of several is read, and however: what one party takes for a session, no other may overlook.
        cookies = [
            f"kea_session={token}",
            f"a=b; __Host-kea_session={token}; c=d",
            f"kea_session={token};kea_session={token}",
        ]
        odd = [f'kea_session="{token}"', f"kea_session=x; kea_session={token}", f"kea_session={token}; kea_session=x"]
        for cookie in cookies:
            assert await status(cookie, **here) == 200
        for cookie in (*cookies, *odd):
            for origin in ({}, {"origin": "https://evil.example"}):
                assert await status(cookie, **origin) in {401, 403}, cookie
        twice = [("cookie", "a=b"), ("cookie", cookies[0])]
        assert (await plane.http.post("/models/iris/predict", json={}, headers=twice)).status_code == 403
        assert await status(cookies[0], **here, authorization="Bearer bad") == 401
        assert await status("kea_session=bad", **here, authorization=f"Bearer {token}") == 200
        assert await status("kea_session=bad", **here) == 401
        answer = await plane.http.post("/models/iris/predict", json={}, headers={"cookie": cookies[0], **here})
        assert answer.json() == {"served_by": "a", "authorization": None}
