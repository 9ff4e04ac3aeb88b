"""Builds of images, through the gateway."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from kea.deployer.v1 import build_pb2, build_service_pb2, build_service_pb2_grpc

from kea_sdk import convert
from kea_sdk.gateway import CALL_SECONDS, Gateway
from kea_sdk.resources import LogLine

PAGE = 1000


class Builds:
    """The deployer's calls for one project's builds."""

    def __init__(self, gateway: Gateway, project: str) -> None:
        self._gateway = gateway
        self._parent = f"projects/{project}"
        self._stub = gateway.stub(build_service_pb2_grpc.BuildServiceStub)

    def create(self, model_version: str, platforms: Sequence[str]) -> build_pb2.Build:
        """Begins to build an image."""
        request = build_service_pb2.CreateBuildRequest(
            parent=self._parent,
            build=build_pb2.Build(model_version=model_version, platforms=platforms),
            request_id=str(uuid.uuid4()),
        )
        begun = self._gateway.call(self._stub.CreateBuild, request, repeatable=True)
        metadata = build_pb2.BuildOperationMetadata()
        begun.metadata.Unpack(metadata)
        return self.get(convert.last(metadata.build))

    def get(self, build: str) -> build_pb2.Build:
        """Returns a build."""
        request = build_service_pb2.GetBuildRequest(name=self._name(build))
        return self._gateway.call(self._stub.GetBuild, request, repeatable=True)

    def all(self) -> list[build_pb2.Build]:
        """Returns the project's builds, newest first."""
        found: list[build_pb2.Build] = []
        request = build_service_pb2.ListBuildsRequest(parent=self._parent, page_size=PAGE)
        while True:
            page = self._gateway.call(self._stub.ListBuilds, request, repeatable=True)
            found += page.builds
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def cancel(self, build: str) -> build_pb2.Build:
        """Cancels a build."""
        request = build_service_pb2.CancelBuildRequest(name=self._name(build))
        return self._gateway.call(self._stub.CancelBuild, request, repeatable=True)

    def delete(self, build: str) -> None:
        """Forgets a build that has ended."""
        self._gateway.call(self._stub.DeleteBuild, build_service_pb2.DeleteBuildRequest(name=self._name(build)))

    def logs(self, build: str, *, tail: int, follow: bool) -> Iterator[LogLine]:
        """Gives the lines of a build, oldest first."""
        request = build_service_pb2.StreamBuildLogsRequest(name=self._name(build), tail_lines=tail, follow=follow)
        bound = None if follow else CALL_SECONDS
        for message in self._gateway.stream(self._stub.StreamBuildLogs, request, timeout=bound):
            for entry in message.entries:
                yield convert.log_line(entry, build)

    def _name(self, build: str) -> str:
        return f"{self._parent}/builds/{build}"
