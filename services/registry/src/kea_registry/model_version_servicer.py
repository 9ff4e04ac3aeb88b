"""ModelVersionService."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import grpc
from google.protobuf import empty_pb2
from kea.registry.v1 import model_version_pb2, model_version_service_pb2, model_version_service_pb2_grpc
from kea_core.errors import KeaError
from kea_core.idempotency import digest_of
from kea_core.interceptors import Context
from kea_core.pages import page_token, read_page
from kea_core.principal import current_principal

from kea_registry import convert
from kea_registry.domain.errors import UploadMalformed
from kea_registry.domain.model_version import ModelVersion
from kea_registry.domain.model_versions import ModelVersions
from kea_registry.domain.upload import Uploads

DRAIN_SECONDS = 5.0
"""How long a client that has its answer coming may go on sending."""

UploadMessages = AsyncIterator[model_version_service_pb2.UploadModelVersionRequest]


class ModelVersionServicer(model_version_service_pb2_grpc.ModelVersionServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, versions: ModelVersions, uploads: Uploads) -> None:
        self._versions = versions
        self._uploads = uploads

    async def UploadModelVersion(
        self,
        request_iterator: AsyncIterable[model_version_service_pb2.UploadModelVersionRequest],
        context: Context,
    ) -> model_version_pb2.ModelVersion:
        """Uploads a new version."""
        try:
            made = await self._upload(request_iterator)
        except KeaError:
            await _drain(context)
            raise
        await _drain(context)
        return convert.version_to_proto(made)

    async def _upload(
        self, requests: AsyncIterable[model_version_service_pb2.UploadModelVersionRequest]
    ) -> ModelVersion:
        messages = aiter(requests)
        first = await anext(messages, None)
        if first is None or first.WhichOneof("part") != "header":
            problem = "its first message is not a header"
            raise UploadMalformed(problem)
        digest = digest_of("UploadModelVersion", first.header)
        header = convert.header_from_proto(first.header, digest, current_principal().subject)
        return await self._uploads.upload(header, _chunks(messages))

    async def GetModelVersion(
        self, request: model_version_service_pb2.GetModelVersionRequest, context: Context
    ) -> model_version_pb2.ModelVersion:
        """Returns one version."""
        del context
        model, version = convert.version_place(request.name)
        return convert.version_to_proto(await self._versions.get(model, version))

    async def ListModelVersions(
        self, request: model_version_service_pb2.ListModelVersionsRequest, context: Context
    ) -> model_version_service_pb2.ListModelVersionsResponse:
        """Lists a model's versions, newest first."""
        del context
        listing = f"versions of {request.parent}"
        page = read_page(listing, request.page_size, request.page_token)
        versions, more = await self._versions.page(convert.model_key(request.parent, "parent"), page)
        return model_version_service_pb2.ListModelVersionsResponse(
            model_versions=[convert.version_to_proto(version) for version in versions],
            next_page_token=page_token(listing, more) if more else "",
        )

    async def DeleteModelVersion(
        self, request: model_version_service_pb2.DeleteModelVersionRequest, context: Context
    ) -> empty_pb2.Empty:
        """Deletes a version."""
        del context
        await self._versions.delete(convert.version_key(request.name), dry=request.validate_only)
        return empty_pb2.Empty()

    async def DownloadModelVersion(
        self, request: model_version_service_pb2.DownloadModelVersionRequest, context: Context
    ) -> AsyncIterator[model_version_service_pb2.DownloadModelVersionResponse]:
        """Sends a version's archive."""
        del context
        async for chunk in self._versions.download(convert.version_key(request.name)):
            yield model_version_service_pb2.DownloadModelVersionResponse(chunk=chunk)

    async def WatchModelVersions(
        self, request: model_version_service_pb2.WatchModelVersionsRequest, context: Context
    ) -> AsyncIterator[model_version_service_pb2.WatchModelVersionsResponse]:
        """Sends every change of versions."""
        del context
        async for change in self._versions.watch(request.since_revision):
            yield convert.change_to_proto(change)


async def _chunks(messages: UploadMessages) -> AsyncIterator[bytes]:
    async for message in messages:
        if message.WhichOneof("part") != "chunk":
            problem = "a message after the header is not a chunk"
            raise UploadMalformed(problem)
        yield message.chunk


async def _drain(context: Context) -> None:
    """Takes what the client still sends, for a while.

    A client that is answered while it sends may see its sending fail, and report that in place of the answer.
    """
    aio: Any = grpc.aio  # its EOF is compiled, where type checkers see nothing
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await context.read() is not aio.EOF:
                pass
