"""The interceptors through a real server and a real channel."""

from __future__ import annotations

import asyncio
import logging
import socket
import stat
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kea.registry.v1 import model_pb2, model_service_pb2, model_service_pb2_grpc
from kea_core import status
from kea_core.access import Authorization, declared
from kea_core.authority import Authority
from kea_core.client import open_channel
from kea_core.error_mapping import ErrorMapping
from kea_core.errors import EtagMismatch
from kea_core.server import ServedService, listen, serve
from kea_core.settings import DrainSettings
from kea_core.testing.tokens import known_authority, make_token
from prometheus_client import CollectorRegistry

NAME = "projects/p/models/m"


class Models(model_service_pb2_grpc.ModelServiceServicer):
    """A servicer that does what each test is about."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered = asyncio.Event()

    async def GetModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: N802 - the proto's name
        del context
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

    async def DeleteModel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802 - as above
        del request, context
        return empty_pb2.Empty()


@asynccontextmanager
async def running(
    models: Models,
    metrics: CollectorRegistry | None = None,
    *,
    authority: Authority | None = None,
    unready_seconds: float = 0,
) -> AsyncGenerator[tuple[str, Any], None]:
    with tempfile.TemporaryDirectory(prefix="kea") as directory:
        address = f"unix:{Path(directory) / 's'}"
        service = ServedService(
            "kea.registry.v1.ModelService",
            lambda server: model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, server),
        )
        async with serve(
            address,
            [service],
            authority=authority or known_authority(),
            metrics=metrics or CollectorRegistry(),
            drain=DrainSettings(unready_seconds=unready_seconds, grace_seconds=5),
        ) as server:
            yield address, server


@asynccontextmanager
async def stub(address: str, token: str | None) -> AsyncGenerator[Any, None]:
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
        health: Any = health_pb2_grpc.HealthStub(channel)  # it has no types
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
    async with running(Models()) as (address, _), stub(address, make_token("consumer")) as models:
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


class Thing(grpc.GenericRpcHandler):
    """A service of three parts in its name, as permissions have, that nobody has declared."""

    def service(self, handler_call_details: Any) -> Any:
        del handler_call_details

        async def answer(request: bytes, context: Any) -> bytes:
            del context
            return request

        return grpc.unary_unary_rpc_method_handler(answer)


async def test_a_method_that_is_not_declared_is_refused_to_everyone(sockets: Path) -> None:
    address = f"unix:{sockets}/s"
    server = grpc.aio.server(
        interceptors=(ErrorMapping(), Authorization(known_authority(), declared([]))), handlers=(Thing(),)
    )
    listen(server, address)
    await server.start()

    async def token() -> str:
        return make_token("admin")

    async with open_channel(address, token) as channel:
        for method in ("/google.example.Thing/Do", "/Thing/Do", "/a.b.c.Thing/Do"):
            assert (await refusal(channel.unary_unary(method)(b"")))[:2] == (
                grpc.StatusCode.PERMISSION_DENIED,
                "PERMISSION_MISSING",
            )
    await server.stop(0)


def test_a_method_must_say_who_may_call_it() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="kea/test/undeclared.proto", package="kea.test")
    file.message_type.add(name="Nothing")
    service = file.service.add(name="Undeclared")
    service.method.add(name="Do", input_type=".kea.test.Nothing", output_type=".kea.test.Nothing")
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    with pytest.raises(ValueError, match="must declare a permission, or that it is public"):
        declared(["kea.test.Undeclared"])


async def test_a_socket_left_behind_is_taken_over_and_is_its_owners_alone(sockets: Path) -> None:
    path = sockets / "new" / "s"
    for _ in range(2):
        server = grpc.aio.server()
        listen(server, f"unix:{path}")
        await server.start()
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await server.stop(0)
        path.touch()  # as a process that was killed leaves its socket


async def test_a_port_that_is_taken_is_an_error(sockets: Path) -> None:
    options = (("grpc.so_reuseport", 0),)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RuntimeError):
            listen(grpc.aio.server(options=options), f"127.0.0.1:{taken.getsockname()[1]}")


async def test_health_tells_of_the_drain_before_calls_are_refused() -> None:
    context = running(Models(), unready_seconds=0.3)
    address, server = await context.__aenter__()
    await server.ready()
    async with open_channel(address) as channel, asyncio.TaskGroup() as tasks:
        watch = (cast("Any", health_pb2_grpc.HealthStub(channel))).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        ending = tasks.create_task(context.__aexit__(None, None, None))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        async with stub(address, make_token("admin")) as models:
            assert (await models.GetModel(model_service_pb2.GetModelRequest(name=NAME))).name == NAME
        await ending
