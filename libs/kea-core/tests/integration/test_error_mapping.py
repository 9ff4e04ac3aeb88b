from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest
from asyncpg.exceptions import CannotConnectNowError
from google.rpc import error_details_pb2, status_pb2
from kea.deployer.v1 import deployment_service_pb2
from kea.registry.v1 import model_pb2
from kea_core import errors, status
from kea_core.database import DatabaseSettings, open_database
from scripted import GET_MODEL, NAME, Served, first, lines_of, raising, served
from sqlalchemy.exc import DBAPIError

ERROR_MAPPING = "kea_core.error_mapping"
KINDS = sorted((kind for kind in status.CODES if kind is not errors.KeaError), key=lambda kind: kind.__name__)


class Sample(errors.FailedPrecondition):
    reason = "SAMPLE"


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def reason_of(error: grpc.aio.AioRpcError) -> str:
    info = status.error_info(error)
    return info.reason if info else ""


def details_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    sent = next(value for key, value in error.trailing_metadata() if key == status.DETAILS_KEY)
    assert isinstance(sent, bytes)
    return status_pb2.Status.FromString(sent)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_of_error_reaches_the_caller_with_its_code_reason_and_metadata(
    sockets: Path, kind: type[errors.KeaError]
) -> None:
    error = type("Sample", (kind,), {"reason": "SAMPLE"})("iris is so", name="iris")
    async with served(f"unix:{sockets}/s", raising(error)) as server:
        found = await refusal(server.get())
    info = status.error_info(found)
    assert (found.code(), found.details()) == (status.CODES[kind], "iris is so")
    assert info is not None
    assert (info.reason, info.domain, dict(info.metadata)) == ("SAMPLE", "kea.dev", {"name": "iris"})


@pytest.mark.parametrize("text", ["x" * 3000, "x" * 100_000, "ä" * 4000, "種" * 4000, "%" * 4000, "\udcff" * 4000])
async def test_a_long_message_is_cut_so_that_what_happened_is_told(sockets: Path, text: str) -> None:
    error = Sample(text, problem=text, other=text)
    async with served(f"unix:{sockets}/s", raising(error)) as server:
        for _ in range(5):  # where headers are a little too long, gRPC refuses some of the calls
            found = await refusal(server.get())
            assert (found.code(), reason_of(found)) == (grpc.StatusCode.FAILED_PRECONDITION, "SAMPLE")
            assert (found.details() or "").endswith("…")


async def test_as_many_violations_as_fit_are_told(sockets: Path) -> None:
    violations = [errors.FieldViolation(f"field{number}", "ä" * 1000) for number in range(20)]
    async with served(f"unix:{sockets}/s", raising(errors.FieldOutOfBounds(violations))) as server:
        found = await refusal(server.get())
    bad = error_details_pb2.BadRequest()
    assert details_of(found).details[1].Unpack(bad)
    assert reason_of(found) == "FIELD_OUT_OF_BOUNDS"
    assert [entry.field for entry in bad.field_violations] == [f"field{number}" for number in range(5)]


async def test_an_error_nobody_foresaw_is_opaque_to_the_caller_and_whole_in_the_log(sockets: Path) -> None:
    async def fail(request: Any, context: Any) -> model_pb2.Model:
        del request, context
        problem = "outer"
        raise RuntimeError(problem) from KeyError("swordfish")

    with lines_of(ERROR_MAPPING) as lines:
        async with served(f"unix:{sockets}/s", fail) as server:
            found = await refusal(server.get())
            line = await lines.next()
    assert (found.code(), found.details(), reason_of(found)) == (
        grpc.StatusCode.INTERNAL,
        "internal error",
        "INTERNAL",
    )
    assert "swordfish" not in repr(found.trailing_metadata())
    assert line.method == GET_MODEL
    assert isinstance(line.exc_info[1], RuntimeError)
    assert isinstance(line.exc_info[1].__cause__, KeyError)
    assert len(lines.records) == 1


async def test_an_error_in_the_middle_of_a_stream_is_told_after_what_came_before(sockets: Path) -> None:
    async def fail(
        request: Any, context: Any
    ) -> AsyncGenerator[deployment_service_pb2.StreamDeploymentLogsResponse, None]:
        del request, context
        yield deployment_service_pb2.StreamDeploymentLogsResponse()
        raise errors.EtagMismatch(NAME)

    async with served(f"unix:{sockets}/s", stream=fail) as server:
        call = server.logs()
        await first(call)
        found = await refusal(first(call))
    assert (found.code(), reason_of(found)) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")


async def test_what_a_method_aborts_with_itself_is_left_as_it_is(sockets: Path) -> None:
    async def abort(request: Any, context: Any) -> model_pb2.Model:
        del request
        await context.abort(grpc.StatusCode.DATA_LOSS, "as it is")
        raise AssertionError

    with lines_of(ERROR_MAPPING) as lines:
        async with served(f"unix:{sockets}/s", abort) as server:
            found = await refusal(server.get())
    assert (found.code(), found.details()) == (grpc.StatusCode.DATA_LOSS, "as it is")
    assert not lines.records


def asking(peer: Served) -> Any:
    async def ask(request: Any, context: Any) -> model_pb2.Model:
        del context
        return await peer.get(request.name, timeout=5)

    return ask


async def test_what_a_peer_tells_on_purpose_is_passed_on_whole(sockets: Path) -> None:
    error = errors.UpdateMaskInvalid("etag", ["display_name"])
    async with (
        served(f"unix:{sockets}/peer", raising(error)) as peer,
        served(f"unix:{sockets}/s", asking(peer)) as server,
    ):
        directly, passed_on = await refusal(peer.get()), await refusal(server.get())
    assert passed_on.code() is directly.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert passed_on.details() == directly.details() == str(error)
    assert details_of(passed_on) == details_of(directly)


async def test_a_peers_failure_is_a_failure_of_ours(sockets: Path) -> None:
    with lines_of(ERROR_MAPPING) as lines:
        async with (
            served(f"unix:{sockets}/peer", raising(RuntimeError("nobody foresaw it"))) as peer,
            served(f"unix:{sockets}/s", asking(peer)) as server,
        ):
            found = await refusal(server.get())
    assert (found.code(), reason_of(found)) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert [record.getMessage() for record in lines.records] == ["method failed", "peer failed"]


@pytest.mark.parametrize("details", [b"", b"\xff\xff", status_pb2.Status(code=5).SerializeToString()])
async def test_what_is_not_of_keas_making_is_not_passed_on(sockets: Path, details: bytes) -> None:
    async def foreign(request: Any, context: Any) -> model_pb2.Model:
        del request
        trailing = ((status.DETAILS_KEY, details),)
        await context.abort(grpc.StatusCode.NOT_FOUND, "table users has no row 7", trailing_metadata=trailing)
        raise AssertionError

    async with (
        served(f"unix:{sockets}/peer", foreign) as peer,
        served(f"unix:{sockets}/s", asking(peer)) as server,
    ):
        found = await refusal(server.get())
    assert (found.code(), found.details()) == (grpc.StatusCode.INTERNAL, "internal error")


async def test_a_peer_that_does_not_answer_is_unavailable_and_when_to_retry_is_told(sockets: Path) -> None:
    async with served(f"unix:{sockets}/peer") as peer:
        pass
    async with served(f"unix:{sockets}/s", raising(await refusal_of_nobody(peer.address))) as server:
        found = await refusal(server.get())
    retry = error_details_pb2.RetryInfo()
    assert (found.code(), reason_of(found)) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert details_of(found).details[1].Unpack(retry)


async def refusal_of_nobody(address: str) -> grpc.aio.AioRpcError:
    async with grpc.aio.insecure_channel(address) as channel:
        return await refusal(channel.unary_unary(GET_MODEL)(b"", timeout=5))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connect call failed"),
        DBAPIError("SELECT 1", {}, CannotConnectNowError("the database system is starting up")),
        DBAPIError("SELECT 1", {}, OSError("connection was closed"), connection_invalidated=True),
        CannotConnectNowError("the database system is shutting down"),
    ],
)
async def test_a_database_that_is_away_is_told_as_such(sockets: Path, error: Exception) -> None:
    async with served(f"unix:{sockets}/s", raising(error)) as server:
        found = await refusal(server.get())
    assert (found.code(), reason_of(found)) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert found.details() == "the database does not answer; try again"


@pytest.mark.parametrize("place", ["/nowhere", "127.0.0.1:1"])
async def test_a_database_that_is_nowhere_is_told_as_such(sockets: Path, place: str) -> None:
    """The real driver's own errors, whatever the system says."""
    url = f"postgresql://kea@/kea?host={place}" if place.startswith("/") else f"postgresql://kea@{place}/kea"
    async with open_database(DatabaseSettings(url=url)) as sessions:

        async def get(_request: Any, _context: Any) -> Any:
            await sessions.ping()

        async with served(f"unix:{sockets}/s", get) as server:
            found = await refusal(server.get())
    assert found.details() == "the database does not answer; try again"


async def test_a_file_that_is_missing_is_no_database(sockets: Path) -> None:
    async with served(f"unix:{sockets}/s", raising(FileNotFoundError(2, "No such file"))) as server:
        found = await refusal(server.get())
    assert found.code() is grpc.StatusCode.INTERNAL


async def test_what_a_database_says_of_a_statement_is_nobodys_business(sockets: Path) -> None:
    error = DBAPIError("SELECT secret", {}, ValueError("no such column"))
    async with served(f"unix:{sockets}/s", raising(error)) as server:
        found = await refusal(server.get())
    assert found.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (found.details() or "")
