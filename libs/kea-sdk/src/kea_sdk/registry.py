"""Models and their versions, through the gateway."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

from kea.registry.v1 import (
    model_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    model_version_pb2,
    model_version_service_pb2,
    model_version_service_pb2_grpc,
)
from kea_openapi import convert as signatures

from kea_sdk import convert
from kea_sdk.archive import Archive
from kea_sdk.gateway import Gateway
from kea_sdk.packaging.package import Package
from kea_sdk.resources import Model, ModelVersion

UPLOAD_SECONDS = 3600.0
PAGE = 1000


class Registry:
    """The registry's calls for one project."""

    def __init__(self, gateway: Gateway, project: str) -> None:
        self._gateway = gateway
        self._project = project
        self._models = gateway.stub(model_service_pb2_grpc.ModelServiceStub)
        self._versions = gateway.stub(model_version_service_pb2_grpc.ModelVersionServiceStub)

    def upload(
        self,
        model: str,
        package: Package,
        *,
        version: int | None,
        description: str,
        progress: Callable[[int, int], None],
    ) -> ModelVersion:
        """Uploads a version; sent again as it is, if the connection breaks."""
        with Archive(package.files) as archive:
            header = model_version_service_pb2.UploadModelVersionHeader(
                parent=self._name(model),
                model_version=self._metadata(package, archive, description),
                version=version or 0,
                request_id=str(uuid.uuid4()),
            )

            def messages() -> Iterator[model_version_service_pb2.UploadModelVersionRequest]:
                progress(0, archive.size)
                yield model_version_service_pb2.UploadModelVersionRequest(header=header)
                for chunk in archive.chunks(lambda sent: progress(sent, archive.size)):
                    yield model_version_service_pb2.UploadModelVersionRequest(chunk=chunk)

            made = self._gateway.call(
                self._versions.UploadModelVersion, messages, timeout=UPLOAD_SECONDS, repeatable=True
            )
        return convert.model_version(made)

    def version(self, name: str) -> model_version_pb2.ModelVersion:
        """Returns a version by its resource name, in which an alias or `latest` may stand for the number."""
        request = model_version_service_pb2.GetModelVersionRequest(name=name)
        return self._gateway.call(self._versions.GetModelVersion, request, repeatable=True)

    def versions(self, model: str) -> list[ModelVersion]:
        """Returns all versions of a model, newest first."""
        found: list[ModelVersion] = []
        request = model_version_service_pb2.ListModelVersionsRequest(parent=self._name(model), page_size=PAGE)
        while True:
            page = self._gateway.call(self._versions.ListModelVersions, request, repeatable=True)
            found += [convert.model_version(entry) for entry in page.model_versions]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def models(self) -> list[Model]:
        """Returns all models by name."""
        found: list[Model] = []
        request = model_service_pb2.ListModelsRequest(parent=f"projects/{self._project}", page_size=PAGE)
        while True:
            page = self._gateway.call(self._models.ListModels, request, repeatable=True)
            found += [convert.model(entry) for entry in page.models]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def model(self, model: str) -> Model:
        """Returns one model."""
        request = model_service_pb2.GetModelRequest(name=self._name(model))
        return convert.model(self._gateway.call(self._models.GetModel, request, repeatable=True))

    def set_alias(self, model: str, alias: str, version: int) -> Model:
        """Points an alias at a version."""
        request = model_service_pb2.SetModelAliasRequest(name=self._name(model), alias=alias, version=version)
        made: model_pb2.Model = self._gateway.call(self._models.SetModelAlias, request, repeatable=True)
        return convert.model(made)

    def delete_model(self, model: str, *, force: bool) -> None:
        """Deletes a model, with `force` also its versions."""
        request = model_service_pb2.DeleteModelRequest(name=self._name(model), force=force)
        self._gateway.call(self._models.DeleteModel, request)

    def _name(self, model: str) -> str:
        return f"projects/{self._project}/models/{model}"

    def _metadata(self, package: Package, archive: Archive, description: str) -> model_version_pb2.ModelVersion:
        message = model_version_pb2.ModelVersion(
            framework=f"FRAMEWORK_{package.framework.upper()}",
            entrypoint=package.entrypoint,
            requirements=package.requirements,
            description=description,
            sha256=archive.sha256,
        )
        if package.signature is not None:
            message.signature.CopyFrom(signatures.to_proto(package.signature))
        return message
