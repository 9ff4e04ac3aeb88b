"""What stands behind the fake gateway for builds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc
from fake_services import World, abort
from google.protobuf import empty_pb2
from kea.deployer.v1 import build_pb2, build_service_pb2, build_service_pb2_grpc, deployment_pb2
from kea_core.operations import Operation

Build = build_pb2.Build


class Builds(build_service_pb2_grpc.BuildServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world
        self._looks: Counter[str] = Counter()

    async def CreateBuild(self, request: Any, context: Any) -> Any:
        self.world.request_ids.append(request.request_id)
        model, _, version = request.build.model_version.rpartition("/versions/")
        if model not in self.world.models:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such model", "MODEL_NOT_FOUND")
        number = str(self.world.models[model].latest_version) if version == "latest" else version
        made = Build(
            name=f"{request.parent}/builds/b{len(self.world.builds) + 1}",
            model_version=f"{model}/versions/{number}",
            platforms=request.build.platforms or ["linux/amd64"],
            destination=self.world.image.partition("@")[0],
            state=Build.STATE_RUNNING,
            step="resolving the requirements",
            create_time=self.world.now(),
            start_time=self.world.now(),
        )
        self.world.builds[made.name] = made
        self._looks[made.name] = 0
        operation = Operation(name=f"operations/{made.name}")
        operation.metadata.Pack(build_pb2.BuildOperationMetadata(build=made.name))
        return operation

    async def GetBuild(self, request: Any, context: Any) -> Any:
        found = self.world.builds.get(request.name)
        if found is None:
            return await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such build", "BUILD_NOT_FOUND")
        self._looks[found.name] += 1
        if self._looks[found.name] > self.world.build_looks and found.state == Build.STATE_RUNNING:
            self._end(found, self.world.build_ends)
        return found

    async def ListBuilds(self, request: Any, context: Any) -> Any:
        newest = sorted(self.world.builds, reverse=True)
        index = int(request.page_token or 0)  # one on a page: the client must turn pages
        token = str(index + 1) if index + 1 < len(newest) else ""
        page = [self.world.builds[name] for name in newest[index : index + 1]]
        return build_service_pb2.ListBuildsResponse(builds=page, next_page_token=token)

    async def CancelBuild(self, request: Any, context: Any) -> Any:
        found = self.world.builds[request.name]
        if found.state == Build.STATE_SUCCEEDED:
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, "it has SUCCEEDED", "BUILD_ENDED")
        found.step = "cancelling"
        self.world.build_ends, self.world.build_looks = Build.STATE_CANCELLED, 0
        return found

    async def DeleteBuild(self, request: Any, context: Any) -> Any:
        del self.world.builds[request.name]
        return empty_pb2.Empty()

    async def StreamBuildLogs(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if request.name not in self.world.builds:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such build", "BUILD_NOT_FOUND")
        begin = self.world.builds[request.name].create_time.seconds
        for second, text in ((1, "[resolving] the requirements"), (2, "it is \x1b[31mdone"), (2, "at once")):
            entry = deployment_pb2.LogEntry(text=text)
            entry.time.FromSeconds(begin + second)
            yield build_service_pb2.StreamBuildLogsResponse(entries=[entry])
            if self.world.broken_streams:
                self.world.broken_streams -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
        while request.follow and self.world.builds[request.name].state == Build.STATE_RUNNING:  # noqa: ASYNC110 - looks end it
            await asyncio.sleep(0.01)

    def _end(self, found: build_pb2.Build, state: int) -> None:
        found.MergeFrom(Build(state=state))  # pyright: ignore[reportArgumentType] - a number is as good
        found.step = ""
        found.end_time.CopyFrom(self.world.now())
        if state == Build.STATE_SUCCEEDED:
            found.image, found.base, found.bytes_pushed = self.world.image, "r.example/python@sha256:2", 5_000_000
            lock = "click==8.1.7 \\\n    --hash=sha256:3\nnumpy==2.0\n"
            found.locks.append(build_pb2.BuildLock(target="linux/amd64, Python 3.11", requirements=lock))
        if state == Build.STATE_FAILED:
            found.error.reason, found.error.message = "ENVIRONMENT_FAILED", "No solution found:\n  clack is not there"
