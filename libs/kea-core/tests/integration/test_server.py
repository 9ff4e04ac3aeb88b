"""The interceptors through a real server and a real channel."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kea.registry.v1 import model_pb2, model_service_pb2, model_service_pb2_grpc
from kea_core import status
from kea_core.client import open_channel
from kea_core.errors import EtagMismatch
from kea_core.server import ServedService, serve
from kea_core.settings import DrainSettings
from kea_core.tokens import TokenVerifier
from prometheus_client import CollectorRegistry
from kea_core.testing.tokens import jwks_of, make_token

NAME = "projects/p/models/m"


class Models(model_service_pb2_grpc.ModelServiceServicer):
    """A servicer that does what each test is about."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered = asyncio.Event()

    async def GetModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: N802 - the proto's name
        self.calls += 1
        if request.name.endswith("stale"):
            raise EtagMismatch(request.name)
        if request.name.endswith("secret"):
            secret = "the password is swordfish"
            raise RuntimeError(secret)
        if request.name.endswith("slow"):
            self.entered.set()
            await asyncio.sleep(0.3)
        return model_pb2.Model(name=request.name)

    async def DeleteModel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802
        return empty_pb2.Empty()


@asynccontextmanager
async def running(models: Models, metrics: CollectorRegistry | None = None) -> AsyncGenerator[tuple[str, Any], None]:
    verifier = TokenVerifier()
    verifier.use(jwks_of())
    with tempfile.TemporaryDirectory(prefix="kea") as directory:
        address = f"unix:{Path(directory) / 's'}"
        service = ServedService(
            "kea.registry.v1.ModelService",
            lambda server: model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, server),
        )
        async with serve(
            address,
            [service],
            verifier=verifier,
            metrics=metrics or CollectorRegistry(),
            drain=DrainSettings(grace_seconds=5),
        ) as server:
            yield address, server


@asynccontextmanager
async def stub(address: str, token: str | None) -> AsyncIterator[Any]:
    async def source() -> str:
        return token or ""

    async with open_channel(address, source if token is not None else None) as channel:
        yield model_service_pb2_grpc.ModelServiceStub(channel)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = status.error_info(caught.value)
    return caught.value.code(), info.reason if info else "", caught.value.details() or ""


async def test_health_is_not_serving_until_ready_and_needs_no_token() -> None:
    async with running(Models()) as (address, server), open_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await server.ready()
        watch = health.Watch(request)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


async def test_a_call_needs_a_token_and_a_role_that_grants() -> None:
    async with running(Models()) as (address, _):
        request = model_service_pb2.GetModelRequest(name=NAME)
        async with stub(address, None) as models:
            assert (await refusal(models.GetModel(request)))[:2] == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
        async with stub(address, "nonsense") as models:
            assert (await refusal(models.GetModel(request)))[:2] == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
        async with stub(address, make_token("viewer")) as models:
            assert (await models.GetModel(request)).name == NAME
            delete = models.DeleteModel(model_service_pb2.DeleteModelRequest(name=NAME))
            assert (await refusal(delete))[:2] == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


async def test_permission_is_asked_before_the_request_is_looked_at() -> None:
    async with running(Models()) as (address, _), stub(address, make_token("invoker")) as models:
        assert (await refusal(models.GetModel(model_service_pb2.GetModelRequest())))[1] == "PERMISSION_MISSING"


async def test_a_bad_request_never_reaches_the_method() -> None:
    servicer = Models()
    async with running(servicer) as (address, _), stub(address, make_token("admin")) as models:
        code, reason, _ = await refusal(models.GetModel(model_service_pb2.GetModelRequest(name="x")))
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")
    assert servicer.calls == 0


async def test_domain_errors_are_told_and_others_are_opaque(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Models()) as (address, _), stub(address, make_token("admin")) as models:
        stale = models.GetModel(model_service_pb2.GetModelRequest(name=f"{NAME}-stale"))
        assert (await refusal(stale))[:2] == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        with caplog.at_level(logging.ERROR):
            secret = models.GetModel(model_service_pb2.GetModelRequest(name=f"{NAME}-secret"))
            assert await refusal(secret) == (grpc.StatusCode.INTERNAL, "INTERNAL", "internal error")
        assert "swordfish" in caplog.text


async def test_calls_are_counted_by_the_code_that_the_caller_saw() -> None:
    metrics = CollectorRegistry()
    async with running(Models(), metrics) as (address, _), stub(address, make_token("admin")) as models:
        await models.GetModel(model_service_pb2.GetModelRequest(name=NAME))
        await refusal(models.GetModel(model_service_pb2.GetModelRequest(name=f"{NAME}-stale")))
    method = "/kea.registry.v1.ModelService/GetModel"
    for code in ("OK", "ABORTED"):
        assert metrics.get_sample_value("grpc_server_handled_total", {"method": method, "code": code}) == 1


async def test_an_accepted_call_ends_while_the_server_drains() -> None:
    servicer = Models()
    context = running(servicer)
    address, _ = await context.__aenter__()
    async with stub(address, make_token("admin")) as models, asyncio.TaskGroup() as tasks:
        call = models.GetModel(model_service_pb2.GetModelRequest(name=f"{NAME}-slow"))
        answer = tasks.create_task(_await(call))
        await servicer.entered.wait()
        await context.__aexit__(None, None, None)
        assert (await answer).name == f"{NAME}-slow"


async def _await(call: Any) -> Any:
    return await call
