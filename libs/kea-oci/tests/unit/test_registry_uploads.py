"""Uploads to registries that fail or lead astray; a stand-in answers: a real registry cannot be told to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO

import httpx
import pytest
from kea_core.errors import KeaError
from kea_oci import registry as module
from kea_oci.digest import digest_of
from kea_oci.documents import MANIFEST, Descriptor
from kea_oci.errors import BlobDamaged, RegistryDenied, RegistryRefused, RegistryUnavailable
from kea_oci.registry import ATTEMPTS, Document, Registry

CONTENT = b"0123456789" * 100
BLOB = Descriptor("application/octet-stream", digest_of(CONTENT), len(CONTENT))
BASE = "https://r.example/v2/"
Handler = Callable[[httpx.Request], httpx.Response]


class Uploads:
    """Begins uploads at `location`, and answers what is put with each status in turn, the last again and again."""

    def __init__(self, *statuses: HTTPStatus, location: str = "/v2/up/1?state=x") -> None:
        self.statuses = statuses or (HTTPStatus.CREATED,)
        self.headers = {"location": location} if location else {}
        self.calls: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        if request.method == "POST":
            return httpx.Response(HTTPStatus.ACCEPTED, headers=self.headers)
        if request.method == "PUT":
            return httpx.Response(self.statuses[min(self.methods.count("PUT"), len(self.statuses)) - 1])
        return httpx.Response(HTTPStatus.NO_CONTENT)

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.calls]


@asynccontextmanager
async def connected(handler: Handler) -> AsyncGenerator[Registry]:
    registry = Registry("r.example", transport=httpx.MockTransport(handler))
    try:
        yield registry
    finally:
        await registry.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("location", "put"),
    [
        ("/v2/up/1", f"{BASE}up/1?"),
        ("/v2/up/1?state=a%2Bb", f"{BASE}up/1?state=a%2Bb&"),
        ("https://r.example/v2/up/1", f"{BASE}up/1?"),
        ("https://R.example:443/v2/up/1", f"{BASE}up/1?"),
    ],
)
async def test_a_blob_is_put_where_the_registry_says(path: Path, location: str, put: str) -> None:
    uploads, counted = Uploads(location=location), list[int]()
    async with connected(uploads) as registry:
        await registry.push_blob("team/iris", BLOB, path, counted.append)
    begin, sent = uploads.calls
    assert (begin.method, str(begin.url)) == ("POST", f"{BASE}team/iris/blobs/uploads/")
    assert (sent.method, str(sent.url)) == ("PUT", f"{put}digest={BLOB.digest.replace(':', '%3A')}")
    assert sent.content == CONTENT
    assert sent.headers["content-length"] == str(BLOB.size)
    assert sent.headers["content-type"] == "application/octet-stream"
    assert sum(counted) == BLOB.size


async def test_a_relative_place_is_meant_from_where_it_was_told(path: Path) -> None:
    uploads = Uploads(location="1?state=x")
    async with connected(uploads) as registry:
        await registry.push_blob("team/iris", BLOB, path)
    assert uploads.calls[1].url.path == "/v2/team/iris/blobs/uploads/1"


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/up",
        "//evil.example/up",
        "http://r.example/v2/up",
        "https://r.example:444/v2/up",
        "https://r.example@evil.example/up",
        "https://r.example.evil.example/",
        "file:///v2/up",
    ],
)
@pytest.mark.parametrize("mount", [False, True])
async def test_nothing_is_sent_to_another_host(path: Path, location: str, *, mount: bool) -> None:
    uploads = Uploads(location=location)
    async with connected(uploads) as registry:
        with pytest.raises(RegistryUnavailable, match="it wants an upload sent to another host"):
            await (registry.mount_blob("a", BLOB, "b") if mount else registry.push_blob("a", BLOB, path))
    assert uploads.methods == ["POST"]


@pytest.mark.parametrize("location", ["", "https://[x]/", "/v2/\x7f", "x" * 70_000])
async def test_an_upload_without_a_place_is_told(path: Path, location: str) -> None:
    uploads = Uploads(location=location)
    async with connected(uploads) as registry:
        with pytest.raises(RegistryUnavailable, match="it began an upload without saying where") as caught:
            await registry.push_blob("a", BLOB, path)
    assert uploads.methods == ["POST"]
    assert len(str(caught.value)) < 200


async def test_an_upload_that_broke_off_is_begun_anew_and_counted_once(path: Path) -> None:
    uploads, counted = Uploads(HTTPStatus.BAD_GATEWAY, HTTPStatus.CREATED), list[int]()
    async with connected(uploads) as registry:
        await registry.push_blob("a", BLOB, path, counted.append)
    assert uploads.methods == ["POST", "PUT", "DELETE", "POST", "PUT"]
    assert uploads.calls[2].url == uploads.calls[1].url
    assert uploads.calls[4].content == CONTENT
    assert sum(counted) == BLOB.size


async def test_an_upload_that_goes_on_breaking_off_is_given_up_and_leaves_nothing(path: Path) -> None:
    uploads, counted = Uploads(HTTPStatus.SERVICE_UNAVAILABLE), list[int]()
    async with connected(uploads) as registry:
        with pytest.raises(RegistryUnavailable, match="503"):
            await registry.push_blob("a", BLOB, path, counted.append)
    assert uploads.methods == ["POST", "PUT", "DELETE"] * ATTEMPTS
    assert sum(counted) == 0


@pytest.mark.parametrize(
    ("status", "kind"), [(HTTPStatus.BAD_REQUEST, RegistryRefused), (HTTPStatus.FORBIDDEN, RegistryDenied)]
)
async def test_an_upload_that_is_refused_is_not_tried_again(
    path: Path, status: HTTPStatus, kind: type[KeaError]
) -> None:
    uploads = Uploads(status)
    async with connected(uploads) as registry:
        with pytest.raises(kind, match=str(status.value)):
            await registry.push_blob("a", BLOB, path)
    assert uploads.methods == ["POST", "PUT", "DELETE"]


async def test_an_upload_that_cannot_be_cancelled_is_told_by_its_first_error(path: Path) -> None:
    uploads = Uploads(HTTPStatus.BAD_REQUEST)

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            problem = "gone"
            raise httpx.ConnectError(problem)
        return uploads(request)

    async with connected(handler) as registry:
        with pytest.raises(RegistryRefused, match="400"):
            await registry.push_blob("a", BLOB, path)


async def test_an_upload_whose_caller_is_cancelled_is_cancelled_at_the_registry(path: Path) -> None:
    begun, methods = asyncio.Event(), list[str]()

    async def handler(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        if request.method == "PUT":
            begun.set()
            await asyncio.Event().wait()
        return httpx.Response(HTTPStatus.ACCEPTED, headers={"location": "/v2/up/1"})

    registry = Registry("r.example", transport=httpx.MockTransport(handler))
    work = asyncio.ensure_future(registry.push_blob("a", BLOB, path))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await registry.close()
    assert methods == ["POST", "PUT", "DELETE"]


async def test_a_file_that_is_still_being_opened_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, opening, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    original, files = Path.open, list[IO[bytes]]()

    def open_slowly(path: Path, _mode: str) -> IO[bytes]:
        loop.call_soon_threadsafe(opening.set)
        go_on.wait(1)
        files.append(original(path, "rb"))
        return files[0]

    monkeypatch.setattr(Path, "open", open_slowly)
    async with connected(Uploads()) as registry:
        work = asyncio.ensure_future(registry.push_blob("a", BLOB, path))
        await opening.wait()
        work.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await work
    await loop.shutdown_default_executor()
    with contextlib.closing(files[0]):  # so that the collector does not warn of it somewhere else
        assert files[0].closed


async def test_an_upload_whose_token_ends_meanwhile_is_sent_whole_again(path: Path) -> None:
    sent: list[tuple[str | None, int]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "token.example":
            return httpx.Response(HTTPStatus.OK, json={"token": "new"})
        if request.method == "PUT":
            sent.append((request.headers.get("authorization"), len(request.content)))
            if "authorization" not in request.headers:
                challenge = {"www-authenticate": 'Bearer realm="https://token.example/"'}
                return httpx.Response(HTTPStatus.UNAUTHORIZED, headers=challenge)
        return httpx.Response(HTTPStatus.CREATED, headers={"location": "/v2/up/1"})

    counted: list[int] = []
    async with connected(handler) as registry:
        await registry.push_blob("a", BLOB, path, counted.append)
    assert sent[-1] == ("Bearer new", BLOB.size)
    assert sum(counted) == BLOB.size


@pytest.mark.parametrize("more", [10, -10])
async def test_a_file_that_is_no_longer_what_it_was_is_not_sent(path: Path, more: int) -> None:
    other = Descriptor(BLOB.media_type, BLOB.digest, BLOB.size + more)
    uploads = Uploads()
    async with connected(uploads) as registry:
        with pytest.raises(BlobDamaged):
            await registry.push_blob("a", other, path)
    assert uploads.methods == ["POST", "DELETE"]


@pytest.mark.parametrize(("status", "taken"), [(HTTPStatus.CREATED, True), (HTTPStatus.ACCEPTED, False)])
async def test_a_mount_that_became_an_upload_is_cancelled(status: HTTPStatus, *, taken: bool) -> None:
    calls: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(f"{request.method} {request.url}")
        return httpx.Response(status, headers={"location": "/v2/up/1"})

    async with connected(handler) as registry:
        assert await registry.mount_blob("team/iris", BLOB, "library/debian") is taken
    mount = f"POST {BASE}team/iris/blobs/uploads/?mount={BLOB.digest}&from=library/debian"
    assert calls == ([mount] if taken else [mount, f"DELETE {BASE}up/1"])


async def test_a_manifest_is_put_under_its_version_by_its_type() -> None:
    uploads = Uploads()
    content = b'{"a":1}'
    document = Document(Descriptor(MANIFEST, digest_of(content), len(content)), content)
    async with connected(uploads) as registry:
        await registry.push_document("team/iris", "v1", document)
        await registry.push_document("team/iris", document.descriptor.digest, document)
    assert [(call.method, str(call.url)) for call in uploads.calls] == [
        ("PUT", f"{BASE}team/iris/manifests/v1"),
        ("PUT", f"{BASE}team/iris/manifests/{digest_of(content)}"),
    ]
    assert {(call.content, call.headers["content-type"]) for call in uploads.calls} == {(content, MANIFEST)}
