from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from kea.common.v1 import options_pb2
from kea.registry.v1 import (
    model_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    model_version_pb2,
    model_version_service_pb2,
    model_version_service_pb2_grpc,
)
from kea_core import status
from kea_core.access import current_visible, declared
from kea_core.authority import Authority
from kea_core.client import open_channel
from kea_core.errors import ServiceUnavailable
from kea_core.policy import Binding, Policy
from kea_core.server import ServedService, serve
from kea_core.settings import DrainSettings
from kea_core.testing.tokens import jwks_of, known_authority, make_token
from prometheus_client import CollectorRegistry

IRIS, WINE = "projects/default/models/iris", "projects/default/models/wine"
BINDINGS = {
    "bindings/1": Binding("users/ada", "viewer", IRIS, "bindings/1"),
    "bindings/2": Binding("users/bob", "engineer", "projects/default", "bindings/2"),
}
DENIED = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
REVOKED = (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
SERVICES = ("kea.registry.v1.ModelService", "kea.registry.v1.ModelVersionService")


class Models(model_service_pb2_grpc.ModelServiceServicer):
    async def GetModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: N802 - the proto's name
        del context
        return model_pb2.Model(name=request.name)

    async def UpdateModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: N802 - as above
        del context
        return model_pb2.Model(name=request.model.name)

    async def CreateModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: N802 - as above
        del context
        return model_pb2.Model(name=f"{request.parent}/models/{request.model_id}")

    async def ListModels(self, request: Any, context: Any) -> model_service_pb2.ListModelsResponse:  # noqa: N802 - as above
        del request, context
        models = [model_pb2.Model(name=name) for name in (IRIS, WINE) if name in current_visible()]
        return model_service_pb2.ListModelsResponse(models=models)


class Versions(model_version_service_pb2_grpc.ModelVersionServiceServicer):
    """Sends a chunk whenever it is told to, and takes uploads."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.received = 0

    async def DownloadModelVersion(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - as above
        del request, context
        for _ in range(3):
            yield model_version_service_pb2.DownloadModelVersionResponse(chunk=b"x")
            await self.go.wait()
            self.go.clear()

    async def UploadModelVersion(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802 - as above
        del context
        async for _ in request_iterator:
            self.received += 1
        return model_version_pb2.ModelVersion()


class Running:
    def __init__(self, address: str, authority: Authority, versions: Versions) -> None:
        self.address = address
        self.authority = authority
        self.versions = versions

    @asynccontextmanager
    async def channel(self, subject: str, **claims: Any) -> AsyncGenerator[grpc.aio.Channel, None]:
        token = make_token(subject=subject, **claims)

        async def source() -> str:
            return token

        async with open_channel(self.address, source) as channel:
            yield channel

    @asynccontextmanager
    async def models(self, subject: str, **claims: Any) -> AsyncGenerator[Any, None]:
        async with self.channel(subject, **claims) as channel:
            yield model_service_pb2_grpc.ModelServiceStub(channel)


@pytest.fixture
async def running() -> AsyncGenerator[Running, None]:
    authority, versions = known_authority(Policy(bindings=BINDINGS)), Versions()
    with tempfile.TemporaryDirectory(prefix="kea") as directory:
        address = f"unix:{Path(directory) / 's'}"
        services = [
            ServedService(
                SERVICES[0], lambda server: model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(), server)
            ),
            ServedService(
                SERVICES[1],
                lambda server: model_version_service_pb2_grpc.add_ModelVersionServiceServicer_to_server(
                    versions, server
                ),
            ),
        ]
        drain = DrainSettings(grace_seconds=1)
        async with serve(address, services, authority=authority, metrics=CollectorRegistry(), drain=drain):
            yield Running(address, authority, versions)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = status.error_info(caught.value)
    return caught.value.code(), info.reason if info else ""


async def test_a_permission_is_had_where_the_binding_is(running: Running) -> None:
    async with running.models("users/ada") as models:
        assert (await models.GetModel(model_service_pb2.GetModelRequest(name=IRIS))).name == IRIS
        assert await refusal(models.GetModel(model_service_pb2.GetModelRequest(name=WINE))) == DENIED
        assert await refusal(models.GetModel(model_service_pb2.GetModelRequest(name="nonsense"))) == DENIED
        update = model_service_pb2.UpdateModelRequest(model=model_pb2.Model(name=IRIS))
        assert await refusal(models.UpdateModel(update)) == DENIED
    async with running.models("users/bob") as models:
        update = model_service_pb2.UpdateModelRequest(model=model_pb2.Model(name=WINE, display_name="w"))
        assert (await models.UpdateModel(update)).name == WINE
        make = model_service_pb2.CreateModelRequest(parent="projects/default", model_id="new")
        assert (await models.CreateModel(make)).name == "projects/default/models/new"
        make.parent = "projects/other"
        assert await refusal(models.CreateModel(make)) == DENIED


async def test_a_list_shows_what_may_be_seen_and_is_refused_where_nothing_may(running: Running) -> None:
    request = model_service_pb2.ListModelsRequest(parent="projects/default")

    async def listed(subject: str) -> list[str]:
        async with running.models(subject) as models:
            return [model.name for model in (await models.ListModels(request)).models]

    assert await listed("users/ada") == [IRIS]
    assert await listed("users/bob") == [IRIS, WINE]
    async with running.models("users/eve") as models:
        assert await refusal(models.ListModels(request)) == DENIED
    async with running.models("users/ada") as models:
        request.parent = "projects/other"
        assert await refusal(models.ListModels(request)) == DENIED


async def test_scopes_take_away(running: Running) -> None:
    async with running.models("users/bob", scopes=["viewer"]) as models:
        assert (await models.GetModel(model_service_pb2.GetModelRequest(name=WINE))).name == WINE
        make = model_service_pb2.CreateModelRequest(parent="projects/default", model_id="new")
        assert await refusal(models.CreateModel(make)) == DENIED


@pytest.mark.parametrize("claim", ["jti", "sid", "uid"])
async def test_a_revoked_token_is_refused(running: Running, claim: str) -> None:
    request = model_service_pb2.GetModelRequest(name=IRIS)
    async with running.models("users/bob", **{claim: "revoked"}) as models:
        await models.GetModel(request)
        running.authority.use_policy(Policy(bindings=BINDINGS, revoked=frozenset({"revoked"})))
        assert await refusal(models.GetModel(request)) == REVOKED
    async with running.models("users/bob") as models:
        await models.GetModel(request)


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        (Policy(bindings=BINDINGS, revoked=frozenset({"1"})), REVOKED),
        (Policy(), DENIED),
    ],
)
async def test_a_stream_ends_before_the_first_message_that_is_no_longer_allowed(
    running: Running, policy: Policy, refused: tuple[grpc.StatusCode, str]
) -> None:
    async with running.channel("users/bob", jti="1") as channel:
        versions = model_version_service_pb2_grpc.ModelVersionServiceStub(channel)
        request = model_version_service_pb2.DownloadModelVersionRequest(name=f"{IRIS}/versions/1")
        stream: Any = versions.DownloadModelVersion(request)
        assert (await stream.read()).chunk == b"x"
        running.authority.use_policy(Policy(bindings=dict(BINDINGS)))  # another one that allows it too
        running.versions.go.set()
        assert (await stream.read()).chunk == b"x"
        running.authority.use_policy(policy)
        running.versions.go.set()
        assert await refusal(stream.read()) == refused


async def test_an_upload_is_asked_where_its_header_says(running: Running) -> None:
    kind = model_version_service_pb2.UploadModelVersionRequest
    header = model_version_service_pb2.UploadModelVersionHeader(parent="projects/other/models/iris")
    async with running.channel("users/bob") as channel:
        versions = model_version_service_pb2_grpc.ModelVersionServiceStub(channel)
        assert await refusal(versions.UploadModelVersion(iter([kind(header=header), kind(chunk=b"x")]))) == DENIED
        assert await refusal(versions.UploadModelVersion(iter([kind(chunk=b"x")]))) == DENIED
    assert running.versions.received == 0


def test_without_a_policy_nobody_is_let_in() -> None:
    fresh = Authority()
    fresh.use_keys(jwks_of())
    with pytest.raises(ServiceUnavailable):
        fresh.admit(make_token("admin"))


def test_every_place_of_a_resource_is_a_string_of_the_request() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="kea/test/misplaced.proto", package="kea.test")
    file.message_type.add(name="Empty")
    service = file.service.add(name="Misplaced")
    method = service.method.add(name="Do", input_type=".kea.test.Empty", output_type=".kea.test.Empty")
    options: Any = method.options  # stubs know extensions as fields only
    options.Extensions[options_pb2.access].permission = "x.y.z"
    options.Extensions[options_pb2.access].resource_field = "thing.name"
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    with pytest.raises(ValueError, match=r"has no string at thing\.name"):
        declared(["kea.test.Misplaced"])


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/kea.registry.v1.ModelService/CreateModel", ("parent",)),
        ("/kea.registry.v1.ModelService/GetModel", ("name",)),
        ("/kea.registry.v1.ModelService/UpdateModel", ("model", "name")),
        ("/kea.registry.v1.ModelVersionService/UploadModelVersion", ("header", "parent")),
    ],
)
def test_where_requests_name_their_resource(path: str, place: tuple[str, ...]) -> None:
    assert declared(SERVICES)[path].resource == place
