from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import grpc
from kea.registry.v1 import model_service_pb2, model_version_service_pb2
from kea_core.change_feed import ChangeFeed
from kea_core.database import open_database
from kea_registry.store.tables import FEED

WATCH = model_version_service_pb2.WatchModelVersionsRequest
DELETE = model_version_service_pb2.DeleteModelVersionRequest


async def test_a_watch_gives_what_is_there_then_changes_and_resumes(start_registry: Any, helpers: Any) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(30))
        one, other = [await stack.enter_async_context(start_registry()) for _ in range(2)]
        first = await one.upload()
        watch = one.versions.WatchModelVersions(WATCH())
        message = await watch.read()
        assert message.upserted == first
        synced = await watch.read()
        assert synced.WhichOneof("change") is None
        second = await other.upload()  # as another process would
        assert (await watch.read()).upserted == second
        assert (await watch.read()).WhichOneof("change") is None
        watch.cancel()
        await one.models.DeleteModel(model_service_pb2.DeleteModelRequest(name=helpers.MODEL, force=True))
        resumed = other.versions.WatchModelVersions(WATCH(since_revision=synced.revision))
        assert {(await resumed.read()).deleted for _ in range(2)} == {first.name, second.name}
        assert (await resumed.read()).WhichOneof("change") is None
        resumed.cancel()


async def test_a_watch_from_before_forgotten_removals_is_refused(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        first, _ = await registry.upload(), await registry.upload()
        await registry.versions.DeleteModelVersion(DELETE(name=first.name))
        registry.clock.offset += timedelta(days=8)
        async with open_database(registry.settings.database) as sessions:
            await ChangeFeed(sessions, FEED, clock=registry.clock).forget_old()

        async def watch() -> None:
            async for _ in registry.versions.WatchModelVersions(WATCH(since_revision=1)):
                raise AssertionError

        assert await helpers.refused(watch()) == (grpc.StatusCode.OUT_OF_RANGE, "REVISION_EXPIRED")
