"""Blobs that come from registries; a stand-in answers: a real registry cannot be told to lie or to break off."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from kea_oci import registry as module
from kea_oci.blob_store import BlobStore
from kea_oci.digest import digest_of
from kea_oci.documents import Descriptor
from kea_oci.errors import BlobDamaged, ImageNotFound, RegistryDenied, RegistryUnavailable
from kea_oci.registry import Progress, Registry

CONTENT = b"0123456789" * 100
BLOB = Descriptor("application/octet-stream", digest_of(CONTENT), len(CONTENT))
Handler = Callable[[httpx.Request], httpx.Response]


class Body(httpx.AsyncByteStream):
    def __init__(self, *parts: bytes | Exception | asyncio.Event) -> None:
        self.parts = parts
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            if isinstance(part, asyncio.Event):
                part.set()
                await asyncio.Event().wait()
                continue
            self.given += len(part)
            yield part


def ok(*parts: bytes | Exception | asyncio.Event) -> Handler:
    return lambda _request: httpx.Response(HTTPStatus.OK, stream=Body(*parts))


def moved(location: str, status: HTTPStatus = HTTPStatus.TEMPORARY_REDIRECT) -> httpx.Response:
    return httpx.Response(status, headers={"location": location})


async def fetch(
    handler: Handler, store: BlobStore, blob: Descriptor = BLOB, progress: Progress = lambda _bytes: None
) -> None:
    registry = Registry("r.example", transport=httpx.MockTransport(handler))
    try:
        await registry.pull_blob("team/iris", blob, store, progress)
    finally:
        await registry.close()


def kept(store: BlobStore) -> list[str]:
    return [path.name for path in store.path("sha256:").iterdir()]


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)


async def test_a_blob_comes_in_parts_and_is_counted(store: BlobStore) -> None:
    counted: list[int] = []
    await fetch(ok(CONTENT[:300], CONTENT[300:]), store, progress=counted.append)
    assert store.read(BLOB.digest) == CONTENT
    assert sum(counted) == BLOB.size
    assert kept(store) == [BLOB.digest.removeprefix("sha256:")]


async def test_a_blob_that_is_here_is_not_asked_for(store: BlobStore) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        pytest.fail(f"asked for {request.url}")

    store.put(CONTENT)
    await fetch(handler, store)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([CONTENT[:-1] + b"x"], id="other"),
        pytest.param([CONTENT[:-1]], id="short"),
        pytest.param([b""], id="empty"),
        pytest.param([CONTENT, b"x"], id="long"),
    ],
)
async def test_what_is_not_what_its_digest_says_is_not_kept(store: BlobStore, parts: list[bytes]) -> None:
    with pytest.raises(BlobDamaged, match=f"expected {BLOB.digest}, got ") as caught:
        await fetch(ok(*parts), store)
    assert caught.value.metadata["found"] != BLOB.digest
    assert kept(store) == []
    assert not store.has(BLOB)


async def test_what_is_longer_than_it_should_be_is_not_read_to_its_end(store: BlobStore) -> None:
    body = Body(*[CONTENT] * 10_000)
    with pytest.raises(BlobDamaged, match="bytes"):
        await fetch(lambda _request: httpx.Response(HTTPStatus.OK, stream=body), store)
    # httpx hands on pieces of CHUNK_BYTES: one of them is what may come too many.
    assert body.given <= module.CHUNK_BYTES + len(CONTENT)
    assert kept(store) == []


async def test_what_is_shorter_than_its_descriptor_says_is_not_kept(store: BlobStore) -> None:
    with pytest.raises(BlobDamaged):
        await fetch(ok(CONTENT), store, Descriptor(BLOB.media_type, BLOB.digest, BLOB.size + 1))
    assert kept(store) == []


async def test_a_body_that_breaks_off_is_told_and_not_kept(store: BlobStore) -> None:
    with pytest.raises(RegistryUnavailable, match=r"registry r\.example: it cannot be reached: gone"):
        await fetch(ok(CONTENT[:300], httpx.ReadError("gone")), store)
    assert kept(store) == []


async def test_what_was_counted_of_a_body_that_broke_off_is_taken_back(store: BlobStore) -> None:
    bodies = iter([Body(CONTENT[:300], httpx.ReadError("gone")), Body(CONTENT)])
    counted: list[int] = []
    try:
        await fetch(lambda _request: httpx.Response(HTTPStatus.OK, stream=next(bodies)), store, progress=counted.append)
    except RegistryUnavailable:
        assert kept(store) == []
    else:  # it was asked for again, as all that fails in passing
        assert sum(counted) == BLOB.size


async def test_a_pull_that_is_cancelled_leaves_nothing(store: BlobStore) -> None:
    begun = asyncio.Event()
    work = asyncio.ensure_future(fetch(ok(CONTENT[:300], begun), store))
    await begun.wait()
    assert not store.has(BLOB)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert kept(store) == []


async def test_a_blob_that_is_nowhere_is_told_by_name(store: BlobStore) -> None:
    name = f"r.example/team/iris@{BLOB.digest}"
    with pytest.raises(ImageNotFound, match=re.escape(f"there is no image {name}")):
        await fetch(lambda _request: httpx.Response(HTTPStatus.NOT_FOUND), store)


async def test_a_redirect_to_another_host_does_not_carry_the_authorization_there(store: BlobStore) -> None:
    seen: list[tuple[str, str | None]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers.get("authorization")))
        if request.url.host == "token.example":
            return httpx.Response(HTTPStatus.OK, json={"token": "opens-all"})
        if request.url.host == "storage.example":
            return ok(CONTENT)(request)
        if "authorization" not in request.headers:
            return httpx.Response(
                HTTPStatus.UNAUTHORIZED, headers={"www-authenticate": 'Bearer realm="https://token.example/"'}
            )
        return moved("https://storage.example/blob?signature=1")

    await fetch(handler, store)
    assert seen == [
        ("r.example", None),
        ("token.example", None),
        ("r.example", "Bearer opens-all"),
        ("storage.example", None),
    ]
    assert store.has(BLOB)


async def test_where_a_redirect_leads_to_cannot_ask_for_the_registrys_credentials(store: BlobStore) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if request.url.host == "r.example":
            return moved("https://storage.example/blob")
        if request.url.host == "storage.example":
            challenge = 'Bearer realm="https://evil.example/token"'
            return httpx.Response(HTTPStatus.UNAUTHORIZED, headers={"www-authenticate": challenge})
        return httpx.Response(HTTPStatus.OK, json={"token": "t"})

    with pytest.raises((RegistryDenied, RegistryUnavailable)):
        await fetch(handler, store)
    assert "evil.example" not in asked


@pytest.mark.parametrize("location", ["https://r.example/v2/again", "/v2/again", "https://[x]/", "https://x:99999/"])
async def test_redirects_that_lead_nowhere_are_told(store: BlobStore, location: str) -> None:
    with pytest.raises(RegistryUnavailable):
        await fetch(lambda _request: moved(location), store)
    assert kept(store) == []


async def test_a_blob_is_not_asked_for_in_a_content_coding(store: BlobStore) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "gzip" in request.headers["accept-encoding"]:
            return httpx.Response(
                HTTPStatus.OK, headers={"content-encoding": "gzip"}, stream=Body(gzip.compress(CONTENT))
            )
        return ok(CONTENT)(request)

    await fetch(handler, store)
    assert store.has(BLOB)
