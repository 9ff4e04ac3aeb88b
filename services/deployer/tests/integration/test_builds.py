"""Builds over the API, as far as no image is made."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import pytest
from kea.deployer.v1 import build_pb2, build_service_pb2, build_service_pb2_grpc
from kea_core.operations import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    Operation,
)
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.domain import builds as use_cases

State = build_pb2.Build
IMAGES = ImageSettings(repository="registry.example/models", base="registry.example/python:3.11")
"""Nothing answers there, and nothing gets as far as to ask."""
ONCE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""What happens is no matter of the database."""

Start = Callable[..., AbstractAsyncContextManager[Any]]


class Builds:
    """Ways to call a deployer that runs."""

    def __init__(self, deployer: Any, helpers: Any) -> None:
        self.stub: Any = build_service_pb2_grpc.BuildServiceStub(deployer.channel)
        self.operations = deployer.operations
        self._helpers = helpers

    async def create(
        self, version: str = "1", *platforms: str, project: str = "projects/default", **more: Any
    ) -> Operation:
        wanted = build_pb2.Build(model_version=f"{self._helpers.MODEL}/versions/{version}", platforms=platforms)
        return await self.stub.CreateBuild(build_service_pb2.CreateBuildRequest(parent=project, build=wanted, **more))

    async def get(self, name: str) -> build_pb2.Build:
        return await self.stub.GetBuild(build_service_pb2.GetBuildRequest(name=name))

    async def cancel(self, name: str) -> build_pb2.Build:
        return await self.stub.CancelBuild(build_service_pb2.CancelBuildRequest(name=name))

    async def delete(self, name: str) -> None:
        await self.stub.DeleteBuild(build_service_pb2.DeleteBuildRequest(name=name))

    async def page(self, size: int, token: str = "") -> tuple[list[str], str]:
        request = build_service_pb2.ListBuildsRequest(parent="projects/default", page_size=size, page_token=token)
        found = await self.stub.ListBuilds(request)
        return [build.name for build in found.builds], found.next_page_token

    async def until(self, name: str, *states: int) -> build_pb2.Build:
        async with asyncio.timeout(30):
            while (found := await self.get(name)).state not in states:  # noqa: ASYNC110 - lists and reads are the API
                await asyncio.sleep(0.01)
        return found


def build_of(operation: Operation) -> str:
    metadata = build_pb2.BuildOperationMetadata()
    assert operation.metadata.Unpack(metadata)
    return metadata.build


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (
            ImageSettings(),
            "images.repository (KEA_DEPLOYER_IMAGES_REPOSITORY) and images.base (KEA_DEPLOYER_IMAGES_BASE)",
        ),
        (ImageSettings(base="python:3.11"), "settings images.repository (KEA_DEPLOYER_IMAGES_REPOSITORY) are"),
    ],
)
@ONCE
async def test_where_images_are_not_configured_it_says_what_is_missing(
    start_deployer: Start, helpers: Any, images: ImageSettings, told: str
) -> None:
    async with start_deployer(images=images) as deployer:
        deployer.registry.put()
        builds = Builds(deployer, helpers)
        with pytest.raises(grpc.aio.AioRpcError, match="no images are made here") as caught:
            await builds.create()
        assert told in str(caught.value.details())
        refused = helpers.refused(builds.create())
        assert await refused == (grpc.StatusCode.FAILED_PRECONDITION, "IMAGES_NOT_CONFIGURED")


async def test_what_cannot_be_built_is_refused(start_deployer: Start, helpers: Any) -> None:
    async with start_deployer(images=IMAGES) as deployer:
        builds = Builds(deployer, helpers)
        assert await helpers.refused(builds.create()) == (grpc.StatusCode.NOT_FOUND, "MODEL_VERSION_NOT_FOUND")
        deployer.registry.put()
        for call, reason in (
            (builds.create(project="projects/other"), "BUILD_PROJECT_MISMATCH"),
            (builds.create("1", "windows/amd64"), "BUILD_PLATFORM_UNSUPPORTED"),
            (builds.create("1", "linux"), "FIELD_OUT_OF_BOUNDS"),
            (builds.create("1", *["linux/amd64"] * 9), "FIELD_OUT_OF_BOUNDS"),
            (builds.create("one two"), "FIELD_OUT_OF_BOUNDS"),
            (builds.page(1, "x"), "PAGE_TOKEN_INVALID"),
        ):
            assert await helpers.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        none = "projects/default/builds/none"
        logs = builds.stub.StreamBuildLogs(build_service_pb2.StreamBuildLogsRequest(name=none)).read()
        for call in (builds.get(none), builds.cancel(none), builds.delete(none), logs):
            assert await helpers.refused(call) == (grpc.StatusCode.NOT_FOUND, "BUILD_NOT_FOUND")


async def test_validation_alone_checks_everything_and_makes_nothing(start_deployer: Start, helpers: Any) -> None:
    async with start_deployer(images=IMAGES) as deployer:
        builds = Builds(deployer, helpers)
        unknown = builds.create(validate_only=True)
        assert await helpers.refused(unknown) == (grpc.StatusCode.NOT_FOUND, "MODEL_VERSION_NOT_FOUND")
        deployer.registry.put()
        checked, build = await builds.create("latest", validate_only=True), State()
        assert checked.response.Unpack(build)
        assert (checked.name, checked.done) == ("", True)
        assert build.model_version == f"{helpers.MODEL}/versions/1"
        assert list(build.platforms) == ["linux/amd64"]
        assert build.destination == "registry.example/models/default/echo:1"
        assert await builds.page(10) == ([], "")


async def test_the_same_request_again_queues_nothing_new(start_deployer: Start, helpers: Any) -> None:
    async with start_deployer(images=IMAGES) as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        builds, request_id = Builds(deployer, helpers), str(uuid.uuid4())
        both = await asyncio.gather(*(builds.create(request_id=request_id) for _ in range(2)))
        assert both[0].name == both[1].name
        other = builds.create("1", "linux/arm64", request_id=request_id)
        assert await helpers.refused(other) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
        await builds.cancel(build_of(both[0]))
        await builds.until(build_of(both[0]), State.STATE_CANCELLED)
        await builds.operations.DeleteOperation(DeleteOperationRequest(name=both[0].name))
        forgotten = builds.create(request_id=request_id)
        assert await helpers.refused(forgotten) == (grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND")
        await builds.delete(build_of(both[0]))
        gone = builds.create(request_id=request_id)
        assert await helpers.refused(gone) == (grpc.StatusCode.NOT_FOUND, "BUILD_NOT_FOUND")


async def test_only_so_many_wait_and_pages_show_the_newest_first(
    start_deployer: Start, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_cases, "MAX_QUEUED", 2)
    async with start_deployer(images=IMAGES) as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        builds, names = Builds(deployer, helpers), list[str]()
        for wait in (State.STATE_RUNNING, State.STATE_RUNNING, State.STATE_QUEUED, State.STATE_QUEUED):
            names.append(build_of(await builds.create()))
            await builds.until(names[-1], wait)
        full = helpers.refused(builds.create())
        assert await full == (grpc.StatusCode.RESOURCE_EXHAUSTED, "BUILD_QUEUE_FULL")
        first, token = await builds.page(3)
        assert (first + (await builds.page(3, token))[0], token != "") == (names[::-1], True)
        assert (await builds.cancel(names[2])).state == State.STATE_CANCELLED, "what waits ends at once"
        assert build_of(await builds.create()) > names[-1]


async def test_a_build_that_has_ended_can_be_forgotten_and_one_that_has_not_cannot(
    start_deployer: Start, helpers: Any
) -> None:
    async with start_deployer(images=IMAGES) as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        builds = Builds(deployer, helpers)
        operation = await builds.create()
        name = build_of(operation)
        await builds.until(name, State.STATE_RUNNING)
        early = helpers.refused(builds.delete(name))
        assert await early == (grpc.StatusCode.FAILED_PRECONDITION, "BUILD_NOT_ENDED")
        unfinished = builds.operations.DeleteOperation(DeleteOperationRequest(name=operation.name))
        assert await helpers.refused(unfinished) == (grpc.StatusCode.FAILED_PRECONDITION, "OPERATION_NOT_DONE")
        deployer.registry.put(2, load="'another'")
        deployer.registry.refuses = grpc.StatusCode.DATA_LOSS
        second = await builds.create("2")
        failed = await builds.until(build_of(second), State.STATE_FAILED)
        assert (failed.error.reason, failed.error.message) == ("ARTIFACT_FAILED", "not now")
        late = helpers.refused(builds.cancel(failed.name))
        assert await late == (grpc.StatusCode.FAILED_PRECONDITION, "BUILD_ENDED")
        await builds.operations.CancelOperation(CancelOperationRequest(name=second.name))  # tried, to no avail
        await builds.cancel(name)
        assert (await builds.until(name, State.STATE_CANCELLED)).step == ""
        kept = deployer.settings.data_directory / "builds" / "logs"
        assert len(list(kept.iterdir())) == 2
        await builds.delete(failed.name)
        assert len(list(kept.iterdir())) == 1
        for call, reason in (
            (builds.get(failed.name), "BUILD_NOT_FOUND"),
            (builds.operations.GetOperation(GetOperationRequest(name=second.name)), "OPERATION_NOT_FOUND"),
        ):
            assert await helpers.refused(call) == (grpc.StatusCode.NOT_FOUND, reason)


async def test_operations_of_builds_and_deployments_are_listed_together(start_deployer: Start, helpers: Any) -> None:
    async with start_deployer(images=IMAGES) as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        builds = Builds(deployer, helpers)
        made = [(await builds.create()).name for _ in range(2)]
        deployments = [(await deployer.create(f"{helpers.NAME}-{number}")).name for number in range(2)]
        found, token = list[str](), ""
        for _ in range(2):
            request = ListOperationsRequest(name=helpers.PROJECT, page_size=3, page_token=token)
            page = await builds.operations.ListOperations(request)
            found += [operation.name for operation in page.operations]
            token = page.next_page_token
        assert found == sorted([*made, *deployments])
        assert token == ""
        cancel = builds.operations.CancelOperation(CancelOperationRequest(name=deployments[0]))
        assert await helpers.refused(cancel) == (grpc.StatusCode.UNIMPLEMENTED, "OPERATION_CANCEL_UNSUPPORTED")
        none = builds.operations.CancelOperation(CancelOperationRequest(name=made[0][:-4] + "0000"))
        assert await helpers.refused(none) == (grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND")


@ONCE
async def test_what_was_queued_fails_where_images_are_no_longer_configured(start_deployer: Start, helpers: Any) -> None:
    async with start_deployer(images=IMAGES) as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        name = build_of(await Builds(deployer, helpers).create())
        await Builds(deployer, helpers).until(name, State.STATE_RUNNING)
    async with start_deployer() as deployer:
        failed = await Builds(deployer, helpers).until(name, State.STATE_FAILED)
    assert failed.error.reason == "IMAGES_NOT_CONFIGURED"
