"""Manifests and indexes of registries that lie or fail; a stand-in answers: a real registry cannot be told to."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

import httpx
import pytest
from kea_core.errors import KeaError
from kea_oci import registry as module
from kea_oci.digest import digest_of
from kea_oci.documents import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    MAX_DOCUMENT_BYTES,
    Descriptor,
)
from kea_oci.errors import BadImageDocument, BlobDamaged, ImageNotFound, RegistryUnavailable
from kea_oci.reference import ImageReference
from kea_oci.registry import Document, Registry

NAME = ImageReference.parse("r.example/team/iris:1")
CONTENT = b'{"schemaVersion":2}'
KIB = 1024


class Body(httpx.AsyncByteStream):
    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = parts
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            self.given += len(part)
            yield part


def typed(body: Body, media_type: str = MANIFEST) -> httpx.Response:
    return httpx.Response(HTTPStatus.OK, headers={"content-type": media_type}, stream=body)


async def fetch(answer: Callable[[httpx.Request], httpx.Response], name: ImageReference = NAME) -> Document:
    registry = Registry(name.registry, transport=httpx.MockTransport(answer))
    try:
        return await registry.document(name)
    finally:
        await registry.close()


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize("media_type", [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX, f"{MANIFEST}; charset=utf-8"])
async def test_a_document_is_described_by_what_came(media_type: str) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return typed(Body(CONTENT[:5], CONTENT[5:]), media_type)

    document = await fetch(answer)
    expected = Descriptor(media_type.partition(";")[0], digest_of(CONTENT), len(CONTENT))
    assert document == Document(expected, CONTENT)
    assert [str(request.url) for request in asked] == ["https://r.example/v2/team/iris/manifests/1"]
    assert set(asked[0].headers["accept"].split(", ")) == {MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX}


async def test_a_pinned_document_is_asked_for_by_digest_and_must_be_what_the_digest_says() -> None:
    pinned = NAME.at(digest_of(CONTENT))
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return typed(Body(CONTENT))

    assert (await fetch(answer, pinned)).content == CONTENT
    assert seen == [f"/v2/team/iris/manifests/{pinned.digest}"]
    with pytest.raises(BlobDamaged) as caught:
        await fetch(lambda _request: typed(Body(CONTENT, b" ")), pinned)
    assert caught.value.metadata == {"expected": pinned.digest, "found": digest_of(CONTENT + b" ")}


async def test_a_document_may_be_as_large_as_the_bound_and_no_larger() -> None:
    largest = [CONTENT.ljust(64 * KIB), *[b" " * 64 * KIB] * (MAX_DOCUMENT_BYTES // (64 * KIB) - 1)]
    assert len((await fetch(lambda _request: typed(Body(*largest)))).content) == MAX_DOCUMENT_BYTES
    with pytest.raises(BadImageDocument, match=f"at most {MAX_DOCUMENT_BYTES} bytes"):
        await fetch(lambda _request: typed(Body(*largest, b"x")))


async def test_what_is_too_large_is_not_read_to_its_end() -> None:
    body = Body(*[bytes(64 * KIB)] * 1000)
    with pytest.raises(BadImageDocument):
        await fetch(lambda _request: typed(body))
    assert body.given <= MAX_DOCUMENT_BYTES + 64 * KIB


@pytest.mark.parametrize(
    "media_type",
    ["", "text/html", "application/json", "application/vnd.docker.distribution.manifest.v1+prettyjws", f"x{MANIFEST}"],
)
async def test_what_is_no_manifest_is_refused_by_its_type(media_type: str) -> None:
    with pytest.raises(BadImageDocument, match=r"r\.example/team/iris:1: expected a manifest or an index") as caught:
        await fetch(lambda _request: typed(Body(CONTENT), media_type))
    assert (media_type or "nothing") in str(caught.value)


async def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(ImageNotFound, match=r"there is no image r\.example/team/iris:1$"):
        await fetch(lambda _request: httpx.Response(HTTPStatus.NOT_FOUND))


async def test_a_document_that_breaks_off_after_it_was_refused_is_no_document() -> None:
    with pytest.raises(RegistryUnavailable, match="503"):
        await fetch(lambda _request: httpx.Response(HTTPStatus.SERVICE_UNAVAILABLE, stream=Body(httpx.ReadError("x"))))


@pytest.mark.parametrize("breaks", [1, 4])
async def test_a_document_that_breaks_off_is_asked_for_again(breaks: int) -> None:
    bodies = iter([Body(CONTENT[:5], httpx.ReadError("gone"))] * breaks + [Body(CONTENT)])
    try:
        assert (await fetch(lambda _request: typed(next(bodies)))).content == CONTENT
    except RegistryUnavailable:
        assert breaks == module.ATTEMPTS


async def test_a_document_whose_content_coding_is_broken_is_told() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        headers = {"content-type": MANIFEST, "content-encoding": "gzip"}
        return httpx.Response(HTTPStatus.OK, headers=headers, stream=Body(b"no gzip"))

    with pytest.raises(KeaError):
        await fetch(answer)


async def test_a_long_type_is_told_in_a_bounded_line() -> None:
    with pytest.raises(BadImageDocument) as caught:
        await fetch(lambda _request: typed(Body(CONTENT), "x" * 60_000))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("served", "own"), [(MANIFEST, INDEX), (INDEX, MANIFEST)])
async def test_a_document_that_is_served_as_something_else_than_it_says_is_refused(served: str, own: str) -> None:
    content = json.dumps({"schemaVersion": 2, "mediaType": own, "manifests": [], "layers": []}).encode()
    with pytest.raises(BadImageDocument):
        await fetch(lambda _request: typed(Body(content), served))


@pytest.mark.parametrize("served", [MANIFEST, INDEX])
async def test_a_document_that_is_both_a_manifest_and_an_index_is_refused(served: str) -> None:
    content = json.dumps({"schemaVersion": 2, "manifests": [{}], "layers": [{}]}).encode()
    with pytest.raises(BadImageDocument, match=f"it is served as {re.escape(served)}, but is something else"):
        await fetch(lambda _request: typed(Body(content), served))


async def test_a_document_that_is_elsewhere_is_fetched_there() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "elsewhere.example":
            return typed(Body(CONTENT))
        location = f"https://elsewhere.example{request.url.path}"
        return httpx.Response(HTTPStatus.TEMPORARY_REDIRECT, headers={"location": location})

    assert (await fetch(answer)).content == CONTENT
