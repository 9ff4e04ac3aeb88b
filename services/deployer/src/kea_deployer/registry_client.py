"""Model versions, as the registry has them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import grpc
from kea.registry.v1 import model_version_service_pb2, model_version_service_pb2_grpc
from kea_openapi.signature import SignatureError

from kea_deployer.convert import model_from_proto
from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.domain.errors import ModelVersionUnusable


class RegistryClient:
    """Implements `kea_deployer.domain.ports.ModelVersions` and `kea_deployer.provision.artifacts.Archives`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = model_version_service_pb2_grpc.ModelVersionServiceStub(channel)

    async def get(self, name: str) -> ModelVersion:
        """Returns the version a name stands for; its number may be an alias or `latest`.

        Raises:
            ModelVersionUnusable: this deployer is older than what the registry has.
            grpc.aio.AioRpcError: the registry's own refusal, or its silence.
        """
        request = model_version_service_pb2.GetModelVersionRequest(name=name)
        message = await self._stub.GetModelVersion(request)
        try:
            return model_from_proto(message)
        except KeyError as error:
            raise ModelVersionUnusable(name, f"framework {message.framework} is not known") from error
        except SignatureError as error:
            raise ModelVersionUnusable(name, f"its signature cannot be used: {error}") from error

    async def download(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yields a version's archive.

        Raises:
            grpc.aio.AioRpcError: the registry's own refusal, or its silence.
        """
        request = model_version_service_pb2.DownloadModelVersionRequest(name=name)
        call = self._stub.DownloadModelVersion(request)
        try:
            async for response in call:
                yield response.chunk
        finally:
            call.cancel()  # who has had enough leaves nothing on its way
