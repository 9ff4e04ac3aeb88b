"""What fails at registries. A stand-in answers (httpx.MockTransport): a real registry cannot be told to fail."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx
import pytest
from kea_core.errors import KeaError
from kea_oci import registry as module
from kea_oci.documents import Descriptor
from kea_oci.errors import RegistryDenied, RegistryRefused, RegistryUnavailable
from kea_oci.registry import ATTEMPTS, Registry

BLOB = Descriptor("application/octet-stream", "sha256:" + "0" * 64, 4)
LONGEST_ERROR = 500
Answer = Callable[[httpx.Request], httpx.Response]


class Body(httpx.AsyncByteStream):
    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


class Answers:
    """Answers calls in turn; the last answer stays."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(f"{request.method} {request.url}")
        return self.answers[min(len(self.calls), len(self.answers)) - 1](request)


def answer(status: HTTPStatus, *parts: bytes | Exception, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: httpx.Response(status, headers=named, stream=Body(*parts))


def failing(kind: type[httpx.HTTPError], text: str = "Connection refused") -> Answer:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise kind(text)

    return fail


def kinds_of(kind: type[httpx.HTTPError]) -> list[type[httpx.HTTPError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in kinds_of(below))]


@asynccontextmanager
async def connected(answers: Answers) -> AsyncGenerator[Registry]:
    registry = Registry("r.example", transport=httpx.MockTransport(answers))
    try:
        yield registry
    finally:
        await registry.close()


async def error_of(*answers: Answer) -> KeaError:
    async with connected(Answers(*answers)) as registry:
        with pytest.raises(KeaError) as caught:
            await registry.push_document("a", "1", module.Document(BLOB, b"{}"))
    return caught.value


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)


PASSING = {
    "refused": failing(httpx.ConnectError),
    "timeout": failing(httpx.ReadTimeout, ""),
    "429": answer(HTTPStatus.TOO_MANY_REQUESTS),
    "500": answer(HTTPStatus.INTERNAL_SERVER_ERROR),
    "502": answer(HTTPStatus.BAD_GATEWAY, b"<html>"),
    "503": answer(HTTPStatus.SERVICE_UNAVAILABLE),
}


@pytest.mark.parametrize("fault", PASSING)
async def test_what_fails_in_passing_is_tried_again(fault: str) -> None:
    answers = Answers(PASSING[fault], PASSING[fault], answer(HTTPStatus.OK))
    async with connected(answers) as registry:
        assert await registry.has_blob("team/iris", BLOB)
    assert answers.calls == [f"HEAD https://r.example/v2/team/iris/blobs/{BLOB.digest}"] * 3


@pytest.mark.parametrize("fault", PASSING)
async def test_what_goes_on_failing_is_told_after_a_few_times(fault: str) -> None:
    answers = Answers(PASSING[fault])
    async with connected(answers) as registry:
        with pytest.raises(RegistryUnavailable, match=r"^registry r\.example: ") as caught:
            await registry.has_blob("a", BLOB)
    assert len(answers.calls) == ATTEMPTS == 4
    assert caught.value.metadata["registry"] == "r.example"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (HTTPStatus.BAD_REQUEST, RegistryRefused),
        (HTTPStatus.UNAUTHORIZED, RegistryDenied),
        (HTTPStatus.FORBIDDEN, RegistryDenied),
        (HTTPStatus.METHOD_NOT_ALLOWED, RegistryRefused),
        (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, RegistryRefused),
    ],
)
async def test_what_the_registry_means_is_not_tried_again(status: HTTPStatus, kind: type[KeaError]) -> None:
    answers = Answers(answer(status))
    async with connected(answers) as registry:
        with pytest.raises(kind):
            await registry.has_blob("a", BLOB)
    assert len(answers.calls) == 1


@pytest.mark.parametrize("kind", kinds_of(httpx.RequestError))
async def test_httpx_is_not_leaked_outside(kind: type[httpx.HTTPError]) -> None:
    error = await error_of(failing(kind, ""))
    assert isinstance(error, RegistryUnavailable)
    assert str(error) == f"registry r.example: it cannot be reached: {kind.__name__}"


async def test_a_pause_the_registry_asks_for_is_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.1)
    begun = time.monotonic()
    async with connected(Answers(answer(HTTPStatus.TOO_MANY_REQUESTS, retry_after="3600"), answer(HTTPStatus.OK))) as r:
        assert await r.has_blob("a", BLOB)
    assert time.monotonic() - begun >= 0.1


async def test_a_shorter_pause_is_taken_where_the_registry_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 60.0)
    busy = answer(HTTPStatus.TOO_MANY_REQUESTS, retry_after="0")
    async with asyncio.timeout(5), connected(Answers(busy, busy, busy, answer(HTTPStatus.OK))) as registry:
        assert await registry.has_blob("a", BLOB)


@pytest.mark.parametrize("asked", ["", "-1", "1.5", "soon", "9" * 400, "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_a_pause_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.0)
    busy = answer(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=asked)
    async with asyncio.timeout(5), connected(Answers(busy, answer(HTTPStatus.OK))) as registry:
        assert await registry.has_blob("a", BLOB)


async def test_what_the_registry_says_is_told_in_one_line() -> None:
    told = {
        "errors": [{"code": "DENIED", "message": "not\n  yours"}, {"code": "NAME_INVALID", "detail": {"secret": 1}}]
    }
    error = await error_of(answer(HTTPStatus.FORBIDDEN, json.dumps(told).encode()))
    assert str(error) == "registry r.example refuses: 403 DENIED not yours; NAME_INVALID"
    assert error.metadata["problem"] == "403 DENIED not yours; NAME_INVALID"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>\n<body>Bad\r\nGateway</body></html>\n",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"null",
        b'"errors"',
        b'{"errors": 5}',
        b'{"errors": ["no"]}',
        b'{"errors": {"code": "X"}}',
        b'{"errors": [{"message": "' + b"x\\n" * 50_000 + b'"}]}',
        b'{"errors": [' + b",".join([b'{"code": "X"}'] * 10_000) + b"]}",
        b'{"errors": [{"message": "' + b"x" * 10_000_000 + b'"}]}',
    ],
)
@pytest.mark.parametrize("status", [HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_GATEWAY])
async def test_any_answer_is_told_in_one_bounded_line(status: HTTPStatus, body: bytes) -> None:
    error = await error_of(answer(status, body))
    assert str(status.value) in str(error)
    assert len(str(error)) < LONGEST_ERROR
    assert len(str(error).splitlines()) == 1
    assert "html" not in str(error)


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    given_out = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal given_out
            while True:
                given_out += 1 << 16
                yield bytes(1 << 16)

    error = await error_of(lambda _request: httpx.Response(HTTPStatus.BAD_REQUEST, stream=Endless()))
    assert isinstance(error, RegistryRefused)
    assert given_out <= module.MAX_ANSWER_BYTES + (1 << 16)


async def test_an_answer_that_breaks_off_is_told_by_its_status() -> None:
    error = await error_of(answer(HTTPStatus.BAD_REQUEST, b'{"err', httpx.ReadError("gone")))
    assert str(error) == "registry r.example does not accept this: 400 the answer broke off"


@pytest.mark.parametrize("text", ["\\u001b[2J", "\\u0000", "\\u202e", "\\ud800"])
async def test_what_the_registry_says_does_not_move_the_readers_terminal(text: str) -> None:
    error = await error_of(answer(HTTPStatus.BAD_REQUEST, f'{{"errors": [{{"message": "{text}"}}]}}'.encode()))
    assert str(error).isprintable()


async def test_what_httpx_says_is_told_in_one_bounded_line() -> None:
    error = await error_of(failing(httpx.RemoteProtocolError, "illegal header line: " + "x\n" * 100_000))
    assert len(str(error)) < LONGEST_ERROR
    assert len(str(error).splitlines()) == 1


async def test_a_blob_that_is_elsewhere_is_there() -> None:
    elsewhere = answer(HTTPStatus.TEMPORARY_REDIRECT, location="https://storage.example/blob")
    async with connected(Answers(elsewhere, answer(HTTPStatus.OK))) as registry:
        assert await registry.has_blob("a", BLOB)
