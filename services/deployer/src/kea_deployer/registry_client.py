"""Model versions, as the registry has them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from kea.registry.v1 import model_version_service_pb2, model_version_service_pb2_grpc

from kea_deployer.convert import model_from_proto
from kea_deployer.domain.deployment import ModelVersion


class RegistryClient:
    """Implements `kea_deployer.domain.ports.ModelVersions` and `kea_deployer.local.artifacts.Archives`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = model_version_service_pb2_grpc.ModelVersionServiceStub(channel)

    async def get(self, name: str) -> ModelVersion:
        """Returns the version a name stands for; its number may be an alias or `latest`.

        Raises:
            grpc.aio.AioRpcError: the registry's own refusal, or its silence.
        """
        request = model_version_service_pb2.GetModelVersionRequest(name=name)
        return model_from_proto(await self._stub.GetModelVersion(request))

    async def download(self, name: str) -> AsyncIterator[bytes]:
        """Yields a version's archive.

        Raises:
            grpc.aio.AioRpcError: the registry's own refusal, or its silence.
        """
        request = model_version_service_pb2.DownloadModelVersionRequest(name=name)
        async for response in self._stub.DownloadModelVersion(request):
            yield response.chunk
