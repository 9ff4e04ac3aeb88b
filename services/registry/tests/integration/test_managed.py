from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import field_mask_pb2
from kea.registry.v1 import model_pb2, model_service_pb2, model_version_service_pb2

OPERATOR = "serviceAccounts/operator"
RESOURCE = "team-a/iris"
PARENT = "projects/default"
CREATE = model_service_pb2.CreateModelRequest
MANAGED = (grpc.StatusCode.FAILED_PRECONDITION, "MANAGED_BY_RESOURCE")
NOT_MANAGED = (grpc.StatusCode.FAILED_PRECONDITION, "NOT_MANAGED")


def changes(registry: Any, name: str) -> list[Any]:
    """Returns every way of changing a model of which there is version 1, each a call."""
    update = model_service_pb2.UpdateModelRequest(
        model=model_pb2.Model(name=name, description="other"),
        update_mask=field_mask_pb2.FieldMask(paths=["description"]),
    )
    return [
        registry.models.UpdateModel(update),
        registry.models.SetModelAlias(model_service_pb2.SetModelAliasRequest(name=name, alias="champion", version=1)),
        registry.models.DeleteModelAlias(model_service_pb2.DeleteModelAliasRequest(name=name, alias="champion")),
        registry.versions.DeleteModelVersion(
            model_version_service_pb2.DeleteModelVersionRequest(name=f"{name}/versions/1")
        ),
        registry.models.DeleteModel(model_service_pb2.DeleteModelRequest(name=name, force=True)),
        registry.upload(parent=name),
    ]


async def test_what_a_resource_manages_only_the_operator_changes(start_registry: Any, helpers: Any) -> None:
    async with start_registry(OPERATOR) as operator, start_registry() as admin:
        made = await operator.models.CreateModel(
            CREATE(parent=PARENT, model_id="iris", model=model_pb2.Model(managed_by=RESOURCE))
        )
        assert made.managed_by == RESOURCE
        await operator.upload()
        before = await admin.models.GetModel(model_service_pb2.GetModelRequest(name=helpers.MODEL))
        assert (before.managed_by, before.latest_version) == (RESOURCE, 1)
        for call in changes(admin, helpers.MODEL):
            assert await helpers.refused(call) == MANAGED
        assert await admin.models.GetModel(model_service_pb2.GetModelRequest(name=helpers.MODEL)) == before
        await operator.models.DeleteModel(model_service_pb2.DeleteModelRequest(name=helpers.MODEL, force=True))


async def test_the_operator_changes_nothing_that_people_made(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as admin, start_registry(OPERATOR) as operator:
        await admin.upload()
        for call in changes(operator, helpers.MODEL):
            assert await helpers.refused(call) == NOT_MANAGED
        found = await admin.models.GetModel(model_service_pb2.GetModelRequest(name=helpers.MODEL))
        assert (found.managed_by, found.latest_version, found.description) == ("", 1, "")


async def test_the_operator_uploads_to_no_model_that_it_did_not_make(start_registry: Any, helpers: Any) -> None:
    async with start_registry(OPERATOR) as operator:
        assert await helpers.refused(operator.upload()) == NOT_MANAGED
        assert not operator.objects()


async def test_nobody_else_says_that_a_resource_manages_a_model(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as admin:
        asked = CREATE(parent=PARENT, model_id="iris", model=model_pb2.Model(managed_by=RESOURCE))
        assert await helpers.refused(admin.models.CreateModel(asked)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "MANAGED_BY_RESERVED",
        )
        asked.model.managed_by = "Not A Resource"
        code, reason = await helpers.refused(admin.models.CreateModel(asked))
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")
