"""`kea.deployer.v1.BuildService`: between the protos and the use cases, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

from google.protobuf import empty_pb2
from kea.deployer.v1 import build_pb2, build_service_pb2, build_service_pb2_grpc
from kea_core.idempotency import digest_of
from kea_core.interceptors import Context
from kea_core.operations import Operation
from kea_core.pages import page_token, read_page
from kea_core.resource_name import parse_name

from kea_deployer.build_convert import build_check_to_proto, build_operation_to_proto, build_to_proto
from kea_deployer.convert import lines_to_proto
from kea_deployer.deployment_servicer import DEFAULT_TAIL_LINES
from kea_deployer.domain.build_ports import BuildLogs
from kea_deployer.domain.builds import Builds


class BuildServicer(build_service_pb2_grpc.BuildServiceServicer):
    """Serves builds."""

    def __init__(self, builds: Builds, logs: BuildLogs) -> None:
        self._builds = builds
        self._logs = logs

    async def CreateBuild(self, request: build_service_pb2.CreateBuildRequest, context: Context) -> Operation:
        """Queues a build."""
        del context
        (project,) = parse_name(request.parent, "projects")
        build = await self._builds.create(
            project,
            request.build.model_version,
            list(request.build.platforms),
            validate_only=request.validate_only,
            request_id=request.request_id,
            digest=digest_of("CreateBuild", request),
        )
        return build_check_to_proto(build) if request.validate_only else build_operation_to_proto(build)

    async def GetBuild(self, request: build_service_pb2.GetBuildRequest, context: Context) -> build_pb2.Build:
        """Returns one build."""
        del context
        return build_to_proto(await self._builds.get(request.name))

    async def ListBuilds(
        self, request: build_service_pb2.ListBuildsRequest, context: Context
    ) -> build_service_pb2.ListBuildsResponse:
        """Lists a project's builds."""
        del context
        listing = f"builds of {request.parent}"
        (project,) = parse_name(request.parent, "projects")
        found, more = await self._builds.list(project, read_page(listing, request.page_size, request.page_token))
        return build_service_pb2.ListBuildsResponse(
            builds=[build_to_proto(build) for build in found],
            next_page_token=page_token(listing, found[-1].name) if more else "",
        )

    async def CancelBuild(self, request: build_service_pb2.CancelBuildRequest, context: Context) -> build_pb2.Build:
        """Cancels a build."""
        del context
        return build_to_proto(await self._builds.cancel(request.name))

    async def DeleteBuild(self, request: build_service_pb2.DeleteBuildRequest, context: Context) -> empty_pb2.Empty:
        """Forgets a build that has ended."""
        del context
        await self._builds.delete(request.name)
        return empty_pb2.Empty()

    async def StreamBuildLogs(
        self, request: build_service_pb2.StreamBuildLogsRequest, context: Context
    ) -> AsyncIterator[build_service_pb2.StreamBuildLogsResponse]:
        """Sends what a build has to tell."""
        del context
        key = (await self._builds.get(request.name)).key
        tail = request.tail_lines or DEFAULT_TAIL_LINES
        if not request.follow:
            for response in lines_to_proto(await self._logs.tail(key, tail)):
                yield build_service_pb2.StreamBuildLogsResponse(entries=response.entries)
            return
        async for lines in self._logs.follow(request.name, key, tail):
            for response in lines_to_proto(lines):
                yield build_service_pb2.StreamBuildLogsResponse(entries=response.entries)
