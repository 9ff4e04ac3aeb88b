from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from google.protobuf import field_mask_pb2
from kea.registry.v1 import model_pb2, model_service_pb2, model_version_service_pb2

CREATE = model_service_pb2.CreateModelRequest
GET = model_service_pb2.GetModelRequest
LIST = model_service_pb2.ListModelsRequest
UPDATE = model_service_pb2.UpdateModelRequest
DELETE = model_service_pb2.DeleteModelRequest
SET_ALIAS = model_service_pb2.SetModelAliasRequest
DELETE_ALIAS = model_service_pb2.DeleteModelAliasRequest
GET_VERSION = model_version_service_pb2.GetModelVersionRequest
LIST_VERSIONS = model_version_service_pb2.ListModelVersionsRequest
DELETE_VERSION = model_version_service_pb2.DeleteModelVersionRequest

PARENT = "projects/default"
NO_MODEL = (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
NO_VERSION = (grpc.StatusCode.NOT_FOUND, "MODEL_VERSION_NOT_FOUND")
STALE = (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")


async def test_a_model_is_made_once(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        asked = CREATE(parent=PARENT, model_id="iris", model=model_pb2.Model(description="flowers"))
        shown = await registry.models.CreateModel(CREATE(parent=PARENT, model_id="iris", validate_only=True))
        assert shown.name == helpers.MODEL
        assert await helpers.refused(registry.models.GetModel(GET(name=helpers.MODEL))) == NO_MODEL
        made = await registry.models.CreateModel(asked)
        assert (made.name, made.display_name, made.description) == (helpers.MODEL, "iris", "flowers")
        assert made.etag
        assert await registry.models.GetModel(GET(name=helpers.MODEL)) == made
        for dry in (False, True):
            asked.validate_only = dry
            taken = (grpc.StatusCode.ALREADY_EXISTS, "MODEL_EXISTS")
            assert await helpers.refused(registry.models.CreateModel(asked)) == taken


async def test_the_same_request_again_gives_the_same_model(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        asked = CREATE(parent=PARENT, model_id="iris", request_id=str(uuid.uuid4()))
        made = await asyncio.gather(*(registry.models.CreateModel(asked) for _ in range(4)))
        assert made[0] == made[1] == made[2] == made[3]
        asked.model_id = "other"
        reused = (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
        assert await helpers.refused(registry.models.CreateModel(asked)) == reused


async def test_models_are_listed_by_name_in_pages(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        names = ["a", "a-b", "a0", "ab", "b"]
        for name in reversed(names):
            await registry.models.CreateModel(CREATE(parent=PARENT, model_id=name))
        await registry.models.CreateModel(CREATE(parent="projects/other", model_id="z"))
        found: list[str] = []
        token = ""
        while True:
            page = await registry.models.ListModels(LIST(parent=PARENT, page_size=2, page_token=token))
            assert len(page.models) <= 2
            found += [model.name.rpartition("/")[2] for model in page.models]
            token = page.next_page_token
            if not token:
                break
        assert found == names
        bad = (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
        assert await helpers.refused(registry.models.ListModels(LIST(parent=PARENT, page_token="nonsense"))) == bad
        assert not (await registry.models.ListModels(LIST(parent="projects/empty"))).models


async def test_an_update_changes_what_its_mask_names(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        made = await registry.models.CreateModel(CREATE(parent=PARENT, model_id="iris"))
        model = model_pb2.Model(name=made.name, display_name="Iris", etag=made.etag)
        shown = await registry.models.UpdateModel(UPDATE(model=model, validate_only=True))
        assert shown.display_name == "Iris"
        assert await registry.models.GetModel(GET(name=made.name)) == made
        changed = await registry.models.UpdateModel(UPDATE(model=model))
        assert (changed.display_name, changed.etag != made.etag) == ("Iris", True)
        assert await helpers.refused(registry.models.UpdateModel(UPDATE(model=model))) == STALE
        mask = field_mask_pb2.FieldMask(paths=["display_name"])
        reset = model_pb2.Model(name=made.name, description="ignored")
        changed = await registry.models.UpdateModel(UPDATE(model=reset, update_mask=mask))
        assert (changed.display_name, changed.description) == ("iris", "")
        mask = field_mask_pb2.FieldMask(paths=["latest_version"])
        call = registry.models.UpdateModel(UPDATE(model=reset, update_mask=mask))
        assert await helpers.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "UPDATE_MASK_INVALID")
        out = (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")
        for bad in (model_pb2.Model(name="nonsense"), model_pb2.Model(name=made.name, description="a\0")):
            assert await helpers.refused(registry.models.UpdateModel(UPDATE(model=bad))) == out
        missing = model_pb2.Model(name=f"{PARENT}/models/missing", description="x")
        assert await helpers.refused(registry.models.UpdateModel(UPDATE(model=missing))) == NO_MODEL


async def test_a_model_with_versions_goes_by_force_only(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        await registry.upload()
        model = await registry.models.SetModelAlias(SET_ALIAS(name=helpers.MODEL, alias="champion", version=1))
        call = registry.models.DeleteModel(DELETE(name=helpers.MODEL))
        assert await helpers.refused(call) == (grpc.StatusCode.FAILED_PRECONDITION, "MODEL_HAS_VERSIONS")
        assert await helpers.refused(registry.models.DeleteModel(DELETE(name=helpers.MODEL, etag="old"))) == STALE
        await registry.models.DeleteModel(DELETE(name=helpers.MODEL, force=True, validate_only=True))
        assert await registry.models.GetModel(GET(name=helpers.MODEL)) == model
        await registry.models.DeleteModel(DELETE(name=helpers.MODEL, force=True, etag=model.etag))
        assert await helpers.refused(registry.models.DeleteModel(DELETE(name=helpers.MODEL))) == NO_MODEL
        assert registry.objects() == []
        again = await registry.models.CreateModel(CREATE(parent=PARENT, model_id="iris"))
        assert (dict(again.aliases), again.etag != model.etag) == ({}, True)


async def test_aliases_stand_for_versions(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        first, second = await registry.upload(), await registry.upload()
        before = await registry.models.GetModel(GET(name=helpers.MODEL))
        asked = SET_ALIAS(name=helpers.MODEL, alias="champion", version=1, etag=before.etag, validate_only=True)
        assert dict((await registry.models.SetModelAlias(asked)).aliases) == {"champion": 1}
        assert await registry.models.GetModel(GET(name=helpers.MODEL)) == before
        asked.validate_only = False
        model = await registry.models.SetModelAlias(asked)
        assert dict(model.aliases) == {"champion": 1}
        assert await helpers.refused(registry.models.SetModelAlias(asked)) == STALE
        for word, version in (("champion", first), ("latest", second), ("2", second)):
            assert (
                await registry.versions.GetModelVersion(GET_VERSION(name=f"{helpers.MODEL}/versions/{word}")) == version
            )
        call = registry.versions.DeleteModelVersion(DELETE_VERSION(name=first.name))
        assert await helpers.refused(call) == (grpc.StatusCode.FAILED_PRECONDITION, "MODEL_VERSION_ALIASED")
        call = registry.models.SetModelAlias(SET_ALIAS(name=helpers.MODEL, alias="latest", version=1))
        assert await helpers.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "ALIAS_RESERVED")
        call = registry.models.SetModelAlias(SET_ALIAS(name=helpers.MODEL, alias="champion", version=9))
        assert await helpers.refused(call) == NO_VERSION
        dropped = DELETE_ALIAS(name=helpers.MODEL, alias="champion", etag="old")
        assert await helpers.refused(registry.models.DeleteModelAlias(dropped)) == STALE
        dropped.etag = model.etag
        assert not (await registry.models.DeleteModelAlias(dropped)).aliases
        no_alias = (grpc.StatusCode.NOT_FOUND, "MODEL_ALIAS_NOT_FOUND")
        dropped.etag = ""
        assert await helpers.refused(registry.models.DeleteModelAlias(dropped)) == no_alias
        call = registry.versions.GetModelVersion(GET_VERSION(name=f"{helpers.MODEL}/versions/champion"))
        assert await helpers.refused(call) == no_alias


@pytest.mark.parametrize("name", ["iris", "missing"])
async def test_what_is_not_there_is_not_found(start_registry: Any, helpers: Any, name: str) -> None:
    async with start_registry() as registry:
        await registry.models.CreateModel(CREATE(parent=PARENT, model_id="iris"))
        parent = f"{PARENT}/models/{name}"
        expected = NO_VERSION if name == "iris" else NO_MODEL
        for word in ("1", "latest"):
            call = registry.versions.GetModelVersion(GET_VERSION(name=f"{parent}/versions/{word}"))
            assert await helpers.refused(call) == expected
        call = registry.versions.DeleteModelVersion(DELETE_VERSION(name=f"{parent}/versions/1"))
        assert await helpers.refused(call) == expected
        assert await helpers.refused(registry.download(f"{parent}/versions/1")) == expected
    async with start_registry() as registry:
        for call in (
            registry.versions.ListModelVersions(LIST_VERSIONS(parent=f"{PARENT}/models/missing")),
            registry.models.SetModelAlias(SET_ALIAS(name=f"{PARENT}/models/missing", alias="a", version=1)),
            registry.models.DeleteModelAlias(DELETE_ALIAS(name=f"{PARENT}/models/missing", alias="a")),
        ):
            assert await helpers.refused(call) == NO_MODEL


async def test_versions_are_listed_newest_first_in_pages(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        for _ in range(11):
            await registry.upload()
        first = await registry.versions.ListModelVersions(LIST_VERSIONS(parent=helpers.MODEL, page_size=6))
        token = first.next_page_token
        second = await registry.versions.ListModelVersions(
            LIST_VERSIONS(parent=helpers.MODEL, page_size=6, page_token=token)
        )
        numbers = [version.number for page in (first, second) for version in page.model_versions]
        assert numbers == list(range(11, 0, -1))
        assert not second.next_page_token
        call = registry.versions.ListModelVersions(LIST_VERSIONS(parent=helpers.MODEL, page_token="bad"))
        assert await helpers.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


async def test_deleting_the_newest_version_makes_the_one_before_the_latest(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        await registry.upload()
        newest = await registry.upload()
        await registry.versions.DeleteModelVersion(DELETE_VERSION(name=newest.name, validate_only=True))
        assert (await registry.models.GetModel(GET(name=helpers.MODEL))).latest_version == 2
        await registry.versions.DeleteModelVersion(DELETE_VERSION(name=newest.name))
        assert (await registry.models.GetModel(GET(name=helpers.MODEL))).latest_version == 1
