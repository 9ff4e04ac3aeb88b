from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2
from kea.registry.v1 import model_pb2
from kea_core.access_log import MAX_REQUEST_ID
from kea_core.client import open_channel
from kea_core.errors import EtagMismatch
from scripted import GET_MODEL, NAME, STREAM_LOGS, answer, first, lines_of, raising, served

ACCESS_LOG = "kea_core.access_log"
Response = deployment_service_pb2.StreamDeploymentLogsResponse


async def wait_forever(request: Any, context: Any) -> model_pb2.Model:
    del context
    await asyncio.Event().wait()
    return model_pb2.Model(name=request.name)


async def one_line_then_wait(request: Any, context: Any) -> AsyncGenerator[Response, None]:
    del request, context
    yield Response()
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("unary", "code"),
    [
        (answer, "OK"),
        (raising(EtagMismatch(NAME)), "ABORTED"),
        (raising(RuntimeError("nobody foresaw it")), "INTERNAL"),
    ],
)
async def test_a_call_is_one_line_and_one_sample_with_the_code_that_its_caller_saw(
    sockets: Path, unary: Any, code: str
) -> None:
    with lines_of(ACCESS_LOG) as lines:
        async with served(f"unix:{sockets}/s", unary) as server:
            seen = "OK"
            try:
                await server.get(metadata=(("x-request-id", "r-1"),))
            except grpc.aio.AioRpcError as error:
                seen = error.code().name
            line = await lines.next()
        assert seen == code == line.code
        assert server.calls(GET_MODEL) == {code: 1}
    assert len(lines.records) == 1
    assert (line.method, line.subject, line.request_id) == (GET_MODEL, "users/ada", "r-1")
    assert line.duration_ms >= 0


async def test_a_stream_is_one_line_however_many_messages_it_has(sockets: Path) -> None:
    with lines_of(ACCESS_LOG) as lines:
        async with served(f"unix:{sockets}/s") as server:
            assert len([message async for message in server.logs()]) == 3
            assert (await lines.next()).code == "OK"
        assert server.calls(STREAM_LOGS) == {"OK": 1}
    assert len(lines.records) == 1


async def test_a_call_without_a_good_token_is_told_with_nobody_as_its_subject(sockets: Path) -> None:
    with lines_of(ACCESS_LOG) as lines:
        async with served(f"unix:{sockets}/s") as server, open_channel(server.address) as channel:
            call = channel.unary_unary(GET_MODEL)
            with pytest.raises(grpc.aio.AioRpcError, match="token is needed"):
                await call(b"")
            line = await lines.next()
    assert (line.code, line.subject) == ("UNAUTHENTICATED", "anonymous")


async def test_a_request_id_is_cut(sockets: Path) -> None:
    with lines_of(ACCESS_LOG) as lines:
        async with served(f"unix:{sockets}/s") as server:
            await server.get(metadata=(("x-request-id", "r" * 1000),))
            assert len((await lines.next()).request_id) == MAX_REQUEST_ID


async def test_health_is_counted_but_not_told(sockets: Path) -> None:
    with lines_of(ACCESS_LOG) as lines:
        async with served(f"unix:{sockets}/s") as server, open_channel(server.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)  # it has no types
            await health.Check(health_pb2.HealthCheckRequest())
            await server.get()
            assert (await lines.next()).method == GET_MODEL
        assert server.calls("/grpc.health.v1.Health/Check") == {"OK": 1}


async def test_a_cancelled_call_is_told_as_cancelled(sockets: Path) -> None:
    with lines_of(ACCESS_LOG) as lines:
        async with served(f"unix:{sockets}/s", wait_forever, one_line_then_wait) as server:
            with pytest.raises(grpc.aio.AioRpcError, match="Deadline Exceeded"):
                await server.get(timeout=0.2)
            assert (await lines.next()).code == "CANCELLED"

            stream = server.logs()
            await first(stream)
            stream.cancel()
            assert (await lines.next()).code == "CANCELLED"
        assert (server.calls(GET_MODEL), server.calls(STREAM_LOGS)) == ({"CANCELLED": 1}, {"CANCELLED": 1})


async def within(seconds: float, coming: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await coming
    except TimeoutError:
        return False


async def test_a_stream_whose_caller_goes_while_a_message_waits_to_be_sent_is_closed_within_its_call(
    sockets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sent: asyncio.Queue[bool] = asyncio.Queue()
    tasks: list[Any] = []

    async def more_than_fits(request: Any, context: Any) -> AsyncGenerator[Response, None]:
        del request
        tasks.append(asyncio.current_task())
        try:
            while True:
                sent.put_nowait(True)
                yield Response(entries=[deployment_pb2.LogEntry(text="x" * 500_000)])
        finally:
            tasks.append(asyncio.current_task())
            context.peer()  # would end the process if the call were gone

    with lines_of(ACCESS_LOG) as lines:
        async with served(f"unix:{sockets}/s", stream=more_than_fits) as server:
            stream = server.logs()
            await first(stream)
            while await within(0.3, sent.get()):  # nothing tells that a sender is held back but that it sends no more
                pass
            stream.cancel()
            assert (await lines.next()).code == "CANCELLED"
        assert server.calls(STREAM_LOGS) == {"CANCELLED": 1}
    assert tasks[0] is tasks[1]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
