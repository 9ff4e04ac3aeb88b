from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2
from kea_core.change_feed import ChangeFeed
from kea_core.database import open_database
from kea_router.store.tables import FEED

WATCH = endpoint_service_pb2.WatchEndpointsRequest
DELETE = endpoint_service_pb2.DeleteEndpointRequest


async def make(router: Any, name: str) -> Any:
    target = endpoint_pb2.Target(deployment="projects/default/deployments/v1", weight=10_000)
    return await router.endpoints.CreateEndpoint(
        endpoint_service_pb2.CreateEndpointRequest(
            parent="projects/default", endpoint_id=name, endpoint=endpoint_pb2.Endpoint(targets=[target])
        )
    )


async def test_a_watch_gives_what_is_there_then_changes_and_resumes(start_router: Any) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(30))
        one, other = [await stack.enter_async_context(start_router()) for _ in range(2)]
        first = await make(one, "first")
        watch = one.endpoints.WatchEndpoints(WATCH())
        assert (await watch.read()).upserted.etag == first.etag
        synced = await watch.read()
        assert synced.WhichOneof("change") is None
        second = await make(other, "second")  # as another process would
        assert (await watch.read()).upserted.etag == second.etag
        assert (await watch.read()).WhichOneof("change") is None
        watch.cancel()
        await one.endpoints.DeleteEndpoint(DELETE(name=first.name))
        resumed = other.endpoints.WatchEndpoints(WATCH(since_revision=synced.revision))
        assert (await resumed.read()).upserted.name == second.name
        assert (await resumed.read()).deleted == first.name
        assert (await resumed.read()).WhichOneof("change") is None
        resumed.cancel()


async def test_a_watch_from_before_forgotten_removals_is_refused(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        first = await make(router, "first")
        await make(router, "second")
        await router.endpoints.DeleteEndpoint(DELETE(name=first.name))
        async with open_database(router.settings.database) as sessions:
            later = ChangeFeed(sessions, FEED, clock=lambda: datetime.now(UTC) + timedelta(days=8))
            await later.forget_old()

        async def watch() -> None:
            async for _ in router.endpoints.WatchEndpoints(WATCH(since_revision=1)):
                raise AssertionError

        assert await helpers.refused(watch()) == (grpc.StatusCode.OUT_OF_RANGE, "REVISION_EXPIRED")
