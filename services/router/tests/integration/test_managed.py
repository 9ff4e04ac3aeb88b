from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import duration_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2

OPERATOR = "serviceAccounts/operator"
RESOURCE = "team-a/iris"
PARENT = "projects/default"
NAME = f"{PARENT}/endpoints/iris"
MANAGED = (grpc.StatusCode.FAILED_PRECONDITION, "MANAGED_BY_RESOURCE")
NOT_MANAGED = (grpc.StatusCode.FAILED_PRECONDITION, "NOT_MANAGED")
DELETE = endpoint_service_pb2.DeleteEndpointRequest
GET = endpoint_service_pb2.GetEndpointRequest


def create(managed_by: str = "") -> endpoint_service_pb2.CreateEndpointRequest:
    target = endpoint_pb2.Target(deployment=f"{PARENT}/deployments/v1", weight=10_000)
    endpoint = endpoint_pb2.Endpoint(targets=[target], managed_by=managed_by)
    return endpoint_service_pb2.CreateEndpointRequest(parent=PARENT, endpoint_id="iris", endpoint=endpoint)


def update() -> endpoint_service_pb2.UpdateEndpointRequest:
    return endpoint_service_pb2.UpdateEndpointRequest(
        endpoint=endpoint_pb2.Endpoint(name=NAME, timeout=duration_pb2.Duration(seconds=9))
    )


async def test_what_a_resource_manages_only_the_operator_changes(start_router: Any, helpers: Any) -> None:
    async with start_router(subject=OPERATOR) as operator, start_router() as admin:
        made = await operator.endpoints.CreateEndpoint(create(RESOURCE))
        assert made.managed_by == RESOURCE
        assert await helpers.refused(admin.endpoints.UpdateEndpoint(update())) == MANAGED
        assert await helpers.refused(admin.endpoints.DeleteEndpoint(DELETE(name=NAME))) == MANAGED
        found = await admin.endpoints.GetEndpoint(GET(name=NAME))
        assert (found.managed_by, found.etag) == (RESOURCE, made.etag)
        changed = await operator.endpoints.UpdateEndpoint(update())
        assert (changed.managed_by, changed.timeout.seconds) == (RESOURCE, 9)
        await operator.endpoints.DeleteEndpoint(DELETE(name=NAME))


async def test_the_operator_changes_nothing_that_people_made(start_router: Any, helpers: Any) -> None:
    async with start_router() as admin, start_router(subject=OPERATOR) as operator:
        await admin.endpoints.CreateEndpoint(create())
        assert await helpers.refused(operator.endpoints.UpdateEndpoint(update())) == NOT_MANAGED
        assert await helpers.refused(operator.endpoints.DeleteEndpoint(DELETE(name=NAME))) == NOT_MANAGED
        assert not (await admin.endpoints.GetEndpoint(GET(name=NAME))).timeout.seconds


async def test_nobody_else_says_that_a_resource_manages_an_endpoint(start_router: Any, helpers: Any) -> None:
    async with start_router() as admin:
        reserved = (grpc.StatusCode.INVALID_ARGUMENT, "MANAGED_BY_RESERVED")
        assert await helpers.refused(admin.endpoints.CreateEndpoint(create(RESOURCE))) == reserved
