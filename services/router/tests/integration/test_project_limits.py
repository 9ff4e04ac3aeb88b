"""Limits through a real router: what is kept, checked and told to Envoys."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import duration_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, limits_pb2, limits_service_pb2, limits_service_pb2_grpc
from kea_router.translate.names import LIMITS_FILTER, PROJECT_LIMITS_FILTER
from kea_router.xds.resource import EXTENSION, ROUTES

NAME = "projects/default/limits"
Update = limits_service_pb2.UpdateProjectLimitsRequest


def stub(router: Any) -> limits_service_pb2_grpc.LimitsServiceStub:
    return limits_service_pb2_grpc.LimitsServiceStub(router.channel)


def limits(requests: int, **more: Any) -> limits_pb2.ProjectLimits:
    return limits_pb2.ProjectLimits(name=NAME, total=limits_pb2.RateLimit(requests=requests), **more)


async def get(router: Any) -> limits_pb2.ProjectLimits:
    return await stub(router).GetProjectLimits(limits_service_pb2.GetProjectLimitsRequest(name=NAME))


async def test_limits_of_a_project_are_kept_and_changed_by_who_has_read_them(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        first = await get(router)
        assert (first.etag, first.HasField("total")) == ('"0"', False)
        dry = await stub(router).UpdateProjectLimits(Update(project_limits=limits(3), validate_only=True))
        assert dry.total.requests == 3
        assert not (await get(router)).HasField("total")
        made = await stub(router).UpdateProjectLimits(Update(project_limits=limits(5, etag=first.etag)))
        assert await get(router) == made
        assert await stub(router).UpdateProjectLimits(Update(project_limits=limits(5))) == made  # nothing has changed
        stale = stub(router).UpdateProjectLimits(Update(project_limits=limits(6, etag=first.etag)))
        assert await helpers.refused(stale) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        none = limits_pb2.ProjectLimits(name=NAME)
        assert await stub(router).UpdateProjectLimits(Update(project_limits=none)) == made  # says nothing
        gone = await stub(router).UpdateProjectLimits(Update(project_limits=none, update_mask={"paths": ["total"]}))
        assert not gone.HasField("total")
        assert gone.etag != made.etag


async def test_what_is_not_named_stays_as_it_is(start_router: Any) -> None:
    async with start_router() as router:
        await stub(router).UpdateProjectLimits(Update(project_limits=limits(5)))
        at_once = limits_pb2.ProjectLimits(name=NAME, max_concurrent_requests=7)
        made = await stub(router).UpdateProjectLimits(Update(project_limits=at_once))
        assert (made.total.requests, made.max_concurrent_requests) == (5, 7)
        for wanted, paths, expected in (
            (limits(6), ["total"], (6, 7)),
            (limits(6), ["max_concurrent_requests"], (6, 0)),
            (at_once, ["*"], (0, 7)),
        ):
            made = await stub(router).UpdateProjectLimits(Update(project_limits=wanted, update_mask={"paths": paths}))
            assert (made.total.requests, made.max_concurrent_requests) == expected
            assert await get(router) == made


async def test_limits_out_of_bounds_are_refused(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        half = limits_pb2.ProjectLimits(name=NAME)
        half.total.requests = 1
        half.total.period.FromMilliseconds(500)
        elsewhere = limits(1)
        elsewhere.name = "projects/default/limits/x"
        for request, reason in (
            (Update(project_limits=limits(0)), "FIELD_OUT_OF_BOUNDS"),
            (Update(project_limits=half), "LIMIT_INVALID"),
            (
                Update(project_limits=limits_pb2.ProjectLimits(name=NAME, max_concurrent_requests=-1)),
                "FIELD_OUT_OF_BOUNDS",
            ),
            (Update(project_limits=limits(1), update_mask={"paths": ["name"]}), "UPDATE_MASK_INVALID"),
            (Update(project_limits=elsewhere), "FIELD_OUT_OF_BOUNDS"),
        ):
            code, found = await helpers.refused(stub(router).UpdateProjectLimits(request))
            assert (code, found) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


async def test_who_may_only_look_changes_no_limits(start_router: Any, helpers: Any) -> None:
    async with start_router(role="viewer") as router:
        assert (await get(router)).name == NAME
        code, _ = await helpers.refused(stub(router).UpdateProjectLimits(Update(project_limits=limits(1))))
        assert code is grpc.StatusCode.PERMISSION_DENIED


async def test_envoys_are_told_limits_also_those_that_another_router_writes(start_router: Any) -> None:
    async with start_router() as router, start_router() as other, other.envoy() as following:
        await following.until(lambda envoy: PROJECT_LIMITS_FILTER in envoy.held[EXTENSION])
        before = following.envoy.held[EXTENSION][PROJECT_LIMITS_FILTER]
        await stub(router).UpdateProjectLimits(Update(project_limits=limits(5)))
        await following.until(lambda envoy: envoy.held[EXTENSION][PROJECT_LIMITS_FILTER] != before)


async def test_an_endpoints_limits_are_kept_and_told_and_go_when_they_are_named(
    start_router: Any, helpers: Any
) -> None:
    async with start_router() as router, router.envoy() as following:
        wanted = limits_pb2.Limits(
            total=limits_pb2.RateLimit(requests=10, period=duration_pb2.Duration(seconds=60), burst=3),
            max_concurrent_requests=4,
        )
        target = endpoint_pb2.Target(deployment=helpers.deployment_name("v1"), weight=10_000)
        name = helpers.endpoint_name("iris")
        create = endpoint_service_pb2.CreateEndpointRequest(
            parent="projects/default",
            endpoint_id="iris",
            endpoint=endpoint_pb2.Endpoint(targets=[target], limits=wanted),
        )
        assert (await router.endpoints.CreateEndpoint(create)).limits == wanted
        await following.until(lambda envoy: LIMITS_FILTER.encode() in envoy.held[ROUTES].get(name, ("", b""))[1])
        other = endpoint_pb2.Endpoint(name=name, retry=endpoint_pb2.Endpoint.RETRY_UNANSWERED)
        kept = await router.endpoints.UpdateEndpoint(endpoint_service_pb2.UpdateEndpointRequest(endpoint=other))
        assert kept.limits == wanted
        none = endpoint_service_pb2.UpdateEndpointRequest(
            endpoint=endpoint_pb2.Endpoint(name=name), update_mask={"paths": ["limits"]}
        )
        assert not (await router.endpoints.UpdateEndpoint(none)).HasField("limits")
        await following.until(lambda envoy: LIMITS_FILTER.encode() not in envoy.held[ROUTES][name][1])
