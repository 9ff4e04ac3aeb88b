"""Models and their versions, in the registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import grpc
from google.protobuf import field_mask_pb2
from kea.registry.v1 import (
    model_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    model_version_pb2,
    model_version_service_pb2,
    model_version_service_pb2_grpc,
)

from kea_deployer.operator.platform.calls import called, found

CHUNK_BYTES = 1024 * 1024
UploadRequest = model_version_service_pb2.UploadModelVersionRequest


class Models:
    """The registry's calls."""

    def __init__(self, channel: grpc.aio.Channel, *, upload_seconds: float) -> None:
        self._models = model_service_pb2_grpc.ModelServiceStub(channel)
        self._versions = model_version_service_pb2_grpc.ModelVersionServiceStub(channel)
        self._upload_seconds = upload_seconds

    async def find(self, name: str) -> model_pb2.Model | None:
        """Returns a model, or None.

        Raises:
            Problem: the registry does not say.
        """
        return await found(name, self._models.GetModel(model_service_pb2.GetModelRequest(name=name)))

    async def create(self, name: str, model: model_pb2.Model) -> model_pb2.Model:
        """Makes a model.

        Raises:
            Problem: the registry refuses, or does not answer.
        """
        parent, _, identifier = name.partition("/models/")
        request = model_service_pb2.CreateModelRequest(parent=parent, model_id=identifier, model=model)
        return await called(name, self._models.CreateModel(request))

    async def describe(self, model: model_pb2.Model) -> model_pb2.Model:
        """Writes what a model says of itself to people.

        Raises:
            Problem: the registry refuses, or does not answer.
        """
        mask = field_mask_pb2.FieldMask(paths=["display_name", "description"])
        request = model_service_pb2.UpdateModelRequest(model=model, update_mask=mask)
        return await called(model.name, self._models.UpdateModel(request))

    async def delete(self, name: str) -> None:
        """Deletes a model with its versions; one that is gone is as good.

        Raises:
            Problem: the registry refuses, or does not answer.
        """
        await found(name, self._models.DeleteModel(model_service_pb2.DeleteModelRequest(name=name, force=True)))

    async def find_version(self, name: str) -> model_version_pb2.ModelVersion | None:
        """Returns a version by number, alias or `latest`, or None.

        Raises:
            Problem: the registry does not say.
        """
        request = model_version_service_pb2.GetModelVersionRequest(name=name)
        return await found(name, self._versions.GetModelVersion(request))

    async def upload(
        self, model: str, version: model_version_pb2.ModelVersion, archive: Path, request_id: str
    ) -> model_version_pb2.ModelVersion:
        """Makes a new version of a model that is there.

        Raises:
            Problem: the registry refuses, or does not answer.
        """
        header = model_version_service_pb2.UploadModelVersionHeader(
            parent=model, model_version=version, require_model=True, request_id=request_id
        )
        call = self._versions.UploadModelVersion(_messages(header, archive), timeout=self._upload_seconds)
        return await called(model, call)


async def _messages(
    header: model_version_service_pb2.UploadModelVersionHeader, archive: Path
) -> AsyncGenerator[UploadRequest]:
    yield UploadRequest(header=header)
    file = await asyncio.to_thread(archive.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield UploadRequest(chunk=chunk)
    finally:
        await asyncio.to_thread(file.close)
