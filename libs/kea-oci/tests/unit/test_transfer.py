"""Moving images; a stand-in is the registry, that keeps the order of what it is asked and fails where it is told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from kea_oci import registry as module
from kea_oci.blob_store import BlobStore
from kea_oci.digest import digest_of
from kea_oci.documents import INDEX, Descriptor, Manifest
from kea_oci.errors import BlobDamaged, ImageNotFound, RegistryRefused
from kea_oci.image import Image, Run, compose
from kea_oci.layer import Entry, write_layer
from kea_oci.layout import write_index
from kea_oci.platform import LINUX_AMD64, Platform
from kea_oci.reference import ImageReference
from kea_oci.registry import Registry
from kea_oci.transfer import AT_ONCE, Origin, Progress, push

ARM = Platform("linux", "arm64")
NAME = ImageReference.parse("r.example/mine:1")


class StandIn:
    """What a registry does with uploads, mounts and manifests, in a few lines."""

    def __init__(self, *, mounts: bool = True) -> None:
        self.mounts = mounts
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.log: list[str] = []
        self.at_once = self.most_at_once = 0
        self.held: asyncio.Event | None = None
        """Set when an upload came, which then goes on for ever."""
        self.denied = ""
        """Repository that nothing is taken over from."""
        self.refused = ""
        """Digest of a blob that is not taken."""
        self.client = Registry("r.example", transport=httpx.MockTransport(self.answer))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        found = re.fullmatch(r"/v2/(?P<name>.+)/(?P<kind>blobs|manifests)/(?P<id>.*)", request.url.path)
        assert found is not None, request.url
        name, what = found["name"], found["id"]
        call = f"{request.method} {found['kind']}"
        if request.method == "POST" and "mount" in request.url.params:
            call = f"MOUNT {request.url.params['from']}"
        self.log.append(call)
        if call == f"MOUNT {self.denied}":
            return httpx.Response(HTTPStatus.FORBIDDEN, json={"errors": [{"code": "DENIED"}]})
        if found["kind"] == "manifests":
            self.manifests[name, what] = request.content
            return httpx.Response(HTTPStatus.CREATED)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        try:
            return await self.blob(request, name, what)
        finally:
            self.at_once -= 1

    async def blob(self, request: httpx.Request, name: str, what: str) -> httpx.Response:
        asked = request.url.params
        if request.method == "POST":
            content = self.blobs.get((asked.get("from", ""), asked.get("mount", "")))
            if content is not None and self.mounts:
                self.blobs[name, asked["mount"]] = content
                return httpx.Response(HTTPStatus.CREATED)
            return httpx.Response(HTTPStatus.ACCEPTED, headers={"location": f"/v2/{name}/blobs/uploads/1"})
        if request.method == "PUT":
            return await self.put(name, asked["digest"], request.content)
        if request.method == "DELETE":
            return httpx.Response(HTTPStatus.NO_CONTENT)
        there = self.blobs.get((name, what))
        if there is None:
            return httpx.Response(HTTPStatus.NOT_FOUND)
        return httpx.Response(HTTPStatus.OK, stream=httpx.ByteStream(there if request.method == "GET" else b""))

    async def put(self, name: str, digest: str, content: bytes) -> httpx.Response:
        if self.held is not None:
            self.held.set()
            await asyncio.Event().wait()
        if digest == self.refused or digest_of(content) != digest:
            return httpx.Response(HTTPStatus.BAD_REQUEST, json={"errors": [{"code": "DIGEST_INVALID"}]})
        self.blobs[name, digest] = content
        return httpx.Response(HTTPStatus.CREATED)

    def take(self, repository: str, store: BlobStore, *blobs: Descriptor) -> None:
        self.blobs |= {(repository, blob.digest): store.read(blob.digest) for blob in blobs}


def image(store: BlobStore, *texts: str, base: Image | Platform = LINUX_AMD64) -> Image:
    layers = [write_layer(store, [Entry("a", text.encode())], compress=False, comment=text) for text in texts]
    return compose(store, base, layers, Run(), {})


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture
async def there(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[StandIn]:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)
    stand_in = StandIn()
    yield stand_in
    await stand_in.client.close()


async def test_the_manifest_goes_last_after_all_blobs(there: StandIn, store: BlobStore) -> None:
    made = image(store, *"abcdef")
    assert await push([made], store, there.client, NAME) == NAME.at(made.descriptor.digest)
    assert there.log[-1] == "PUT manifests"
    assert there.log.count("PUT manifests") == 1
    assert there.manifests == {("mine", "1"): store.read(made.descriptor.digest)}
    needed = (*made.manifest.layers, made.manifest.config)
    assert there.blobs == {("mine", blob.digest): store.read(blob.digest) for blob in needed}


async def test_an_index_goes_after_its_images_under_the_tag(there: StandIn, store: BlobStore) -> None:
    both = [image(store, "same", base=platform) for platform in (LINUX_AMD64, ARM)]
    index = write_index(store, both)
    pinned = await push(both, store, there.client, NAME, index=index)
    assert pinned == NAME.at(index.digest)
    assert list(there.manifests) == [*(("mine", made.descriptor.digest) for made in both), ("mine", "1")]
    assert there.manifests["mine", "1"] == store.read(index.digest)
    assert there.log.count("PUT blobs") == 3  # the layer that both have is sent once
    assert there.log[-3:] == ["PUT manifests"] * 3


async def test_nothing_but_the_name_is_pushed_under_the_seal(there: StandIn, store: BlobStore) -> None:
    both = [image(store, "a"), image(store, "b", base=ARM)]
    sealed: list[list[str]] = []

    @contextmanager
    def seal() -> Generator[None]:
        before = len(there.log)
        assert ("mine", "1") not in there.manifests
        yield
        sealed.append(there.log[before:])

    await push(both, store, there.client, NAME, index=write_index(store, both), seal=seal)
    assert sealed == [["PUT manifests"]]
    assert ("mine", "1") in there.manifests


async def test_a_seal_that_is_refused_leaves_the_image_without_its_name(there: StandIn, store: BlobStore) -> None:
    @contextmanager
    def refused() -> Generator[None]:
        raise asyncio.CancelledError
        yield

    with pytest.raises(asyncio.CancelledError):
        await push([image(store, "a")], store, there.client, NAME, seal=refused)
    assert there.manifests == {}


async def test_without_a_tag_the_image_is_named_by_its_digest(there: StandIn, store: BlobStore) -> None:
    made = image(store, "a")
    pinned = await push([made], store, there.client, ImageReference("r.example", "mine"))
    assert str(pinned) == f"r.example/mine@{made.descriptor.digest}"
    assert list(there.manifests) == [("mine", made.descriptor.digest)]


async def test_what_is_there_is_not_sent(there: StandIn, store: BlobStore) -> None:
    made = image(store, "a", "b")
    there.take("mine", store, made.manifest.layers[0], made.manifest.config)
    progress = Progress()
    await push([made], store, there.client, NAME, progress=progress)
    assert there.log.count("PUT blobs") == there.log.count("POST blobs") == 1
    assert (progress.blobs_there, progress.blobs_sent) == (2, 1)
    assert progress.bytes_sent == made.manifest.layers[1].size
    there.log.clear()
    await push([made], store, there.client, NAME)
    assert there.log == ["HEAD blobs"] * 3 + ["PUT manifests"]


async def test_each_step_is_told(there: StandIn, store: BlobStore) -> None:
    seen: list[tuple[int, int]] = []
    progress = Progress(notice=lambda progress: seen.append((progress.bytes_sent, progress.blobs_sent)))
    made = image(store, "a")
    await push([made], store, there.client, NAME, progress=progress)
    assert seen == sorted(seen)
    assert seen[-1] == (made.manifest.layers[0].size + made.manifest.config.size, 2)


async def test_few_blobs_are_moved_at_the_same_time(there: StandIn, store: BlobStore) -> None:
    await push([image(store, *"abcdefghij")], store, there.client, NAME)
    assert there.most_at_once == AT_ONCE


@pytest.fixture
def based(there: StandIn, store: BlobStore, tmp_path: Path) -> tuple[Image, BlobStore]:
    """An image on a base whose layer is only at the registry, in `base`."""
    base = image(BlobStore(tmp_path / "elsewhere"), "base")
    there.take("base", BlobStore(tmp_path / "elsewhere"), base.manifest.layers[0])
    return image(store, "mine", base=base), store


async def test_layers_of_the_base_are_mounted_and_never_come_here(
    there: StandIn, based: tuple[Image, BlobStore]
) -> None:
    made, store = based
    progress = Progress()
    await push([made], store, there.client, NAME, origin=Origin(there.client, "base"), progress=progress)
    assert there.log.count("MOUNT base") == 1
    assert "GET blobs" not in there.log
    assert there.log.count("PUT blobs") == 2
    assert progress.blobs_sent == 3
    assert progress.bytes_sent == made.manifest.layers[1].size + made.manifest.config.size
    assert not store.has(made.manifest.layers[0])


async def test_what_is_not_mounted_is_brought_along(there: StandIn, based: tuple[Image, BlobStore]) -> None:
    made, store = based
    there.mounts = False
    await push([made], store, there.client, NAME, origin=Origin(there.client, "base"))
    order = [call for call in there.log if call in {"MOUNT base", "DELETE blobs", "GET blobs"}]
    assert order == ["MOUNT base", "DELETE blobs", "GET blobs"]
    assert ("mine", made.manifest.layers[0].digest) in there.blobs
    assert there.log[-1] == "PUT manifests"


async def test_what_is_here_is_not_mounted(there: StandIn, store: BlobStore) -> None:
    made = image(store, "a")
    await push([made], store, there.client, NAME, origin=Origin(there.client, "base"))
    assert not {"MOUNT base", "GET blobs"} & set(there.log)


async def test_a_base_of_another_registry_is_copied_without_a_mount(
    there: StandIn, based: tuple[Image, BlobStore]
) -> None:
    made, store = based
    target = StandIn()
    await push([made], store, target.client, NAME, origin=Origin(there.client, "base"))
    await target.client.close()
    assert there.log == ["GET blobs"]
    assert not [call for call in target.log if "MOUNT" in call]
    assert len(target.blobs) == 3


async def test_a_base_that_is_damaged_is_not_passed_on(there: StandIn, based: tuple[Image, BlobStore]) -> None:
    made, store = based
    there.blobs["base", made.manifest.layers[0].digest] = b"other"
    target = StandIn()
    with pytest.raises(BlobDamaged):
        await push([made], store, target.client, NAME, origin=Origin(there.client, "base"))
    await target.client.close()
    assert target.manifests == {}
    assert ("mine", made.manifest.layers[0].digest) not in target.blobs


async def test_a_layer_that_its_origin_has_not_is_told(there: StandIn, based: tuple[Image, BlobStore]) -> None:
    made, store = based
    there.blobs.clear()
    with pytest.raises(ImageNotFound, match=made.manifest.layers[0].digest):
        await push([made], store, there.client, NAME, origin=Origin(there.client, "base"))
    assert there.manifests == {}


async def test_a_layer_that_is_nowhere_is_told(there: StandIn, based: tuple[Image, BlobStore]) -> None:
    made, store = based
    with pytest.raises(ImageNotFound):
        await push([made], store, there.client, NAME)


async def test_one_blob_that_is_refused_ends_all_and_no_manifest_is_sent(there: StandIn, store: BlobStore) -> None:
    made = image(store, *"abcdef")
    there.refused = made.manifest.layers[2].digest
    with pytest.raises(RegistryRefused, match="400 DIGEST_INVALID"):
        await push([made], store, there.client, NAME)
    assert there.manifests == {}


async def test_a_push_that_is_cancelled_sends_no_manifest_and_leaves_no_upload(
    there: StandIn, store: BlobStore
) -> None:
    there.held = asyncio.Event()
    work = asyncio.ensure_future(push([image(store, "a", "b")], store, there.client, NAME))
    await there.held.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert there.manifests == {}
    assert there.log.count("DELETE blobs") == there.log.count("POST blobs") == 3


async def test_documents_are_sent_by_their_type(store: BlobStore) -> None:
    types: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if "manifests" in request.url.path:
            types.append(request.headers["content-type"])
        return httpx.Response(HTTPStatus.OK)

    both = [image(store, base=platform) for platform in (LINUX_AMD64, ARM)]
    client = Registry("r.example", transport=httpx.MockTransport(answer))
    await push(both, store, client, NAME, index=write_index(store, both))
    await client.close()
    assert types == [made.descriptor.media_type for made in both] + [INDEX]
    assert Manifest.decode(store.read(both[0].descriptor.digest)).layers == ()


async def test_what_another_repository_has_is_taken_over_from_there(there: StandIn, store: BlobStore) -> None:
    made = image(store, "a", "b", "c")
    first, second, third = made.manifest.layers
    there.take("other", store, first, second)
    there.take("mine", store, second)
    progress = Progress()
    places = {first.digest: "other", second.digest: "other", third.digest: "other"}
    await push([made], store, there.client, NAME, places=places, progress=progress)
    assert {digest for name, digest in there.blobs if name == "mine"} >= {blob.digest for blob in made.manifest.layers}
    assert there.log.count("MOUNT other") == 2  # not of the second, which is there
    assert progress.bytes_sent == third.size + made.manifest.config.size
    assert progress.blobs_there == 2


async def test_a_place_that_may_not_be_read_is_no_hindrance(there: StandIn, store: BlobStore) -> None:
    made = image(store, "a")
    (layer,) = made.manifest.layers
    there.denied = "other"
    await push([made], store, there.client, NAME, places={layer.digest: "other"})
    assert ("mine", layer.digest) in there.blobs
