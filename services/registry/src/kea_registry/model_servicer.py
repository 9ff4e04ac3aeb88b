"""ModelService."""

from __future__ import annotations

from google.protobuf import empty_pb2
from kea.registry.v1 import model_pb2, model_service_pb2, model_service_pb2_grpc
from kea_core.access import current_visible
from kea_core.clock import Clock
from kea_core.idempotency import digest_of
from kea_core.interceptors import Context
from kea_core.pages import page_token, read_page
from kea_core.resource_name import parse_name

from kea_registry import convert
from kea_registry.domain.model import ModelKey, new_model
from kea_registry.domain.models import Models
from kea_registry.domain.ports import Once


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, models: Models, *, clock: Clock) -> None:
        self._models = models
        self._clock = clock

    async def CreateModel(self, request: model_service_pb2.CreateModelRequest, context: Context) -> model_pb2.Model:
        """Makes a model."""
        del context
        (project,) = parse_name(request.parent, "projects")
        key = ModelKey(project, request.model_id)
        wanted = request.model
        model = new_model(key, self._clock(), wanted.display_name, wanted.description, managed_by=wanted.managed_by)
        once = Once(request.request_id, digest_of("CreateModel", request))
        return convert.model_to_proto(await self._models.create(model, once, dry=request.validate_only))

    async def GetModel(self, request: model_service_pb2.GetModelRequest, context: Context) -> model_pb2.Model:
        """Returns one model."""
        del context
        return convert.model_to_proto(await self._models.get(convert.model_key(request.name)))

    async def ListModels(
        self, request: model_service_pb2.ListModelsRequest, context: Context
    ) -> model_service_pb2.ListModelsResponse:
        """Lists a project's models."""
        del context
        (project,) = parse_name(request.parent, "projects")
        listing = f"models of {request.parent}"
        page = read_page(listing, request.page_size, request.page_token, only=current_visible().names)
        models, more = await self._models.page(project, page)
        return model_service_pb2.ListModelsResponse(
            models=[convert.model_to_proto(model) for model in models],
            next_page_token=page_token(listing, more) if more else "",
        )

    async def UpdateModel(self, request: model_service_pb2.UpdateModelRequest, context: Context) -> model_pb2.Model:
        """Changes display name and description."""
        del context
        key = convert.model_key(request.model.name, "model.name")
        changes = convert.model_changes(request)
        model = await self._models.update(key, changes, request.model.etag, dry=request.validate_only)
        return convert.model_to_proto(model)

    async def DeleteModel(self, request: model_service_pb2.DeleteModelRequest, context: Context) -> empty_pb2.Empty:
        """Deletes a model."""
        del context
        key = convert.model_key(request.name)
        await self._models.delete(key, request.etag, force=request.force, dry=request.validate_only)
        return empty_pb2.Empty()

    async def SetModelAlias(self, request: model_service_pb2.SetModelAliasRequest, context: Context) -> model_pb2.Model:
        """Points an alias at a version."""
        del context
        key = convert.model_key(request.name)
        model = await self._models.set_alias(
            key, request.alias, request.version, request.etag, dry=request.validate_only
        )
        return convert.model_to_proto(model)

    async def DeleteModelAlias(
        self, request: model_service_pb2.DeleteModelAliasRequest, context: Context
    ) -> model_pb2.Model:
        """Removes an alias."""
        del context
        key = convert.model_key(request.name)
        model = await self._models.delete_alias(key, request.alias, request.etag, dry=request.validate_only)
        return convert.model_to_proto(model)
