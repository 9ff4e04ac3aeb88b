"""Pulling images; a stand-in answers: a real registry takes no documents that are as wrong as these."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from kea_oci.blob_store import BlobStore
from kea_oci.digest import digest_of
from kea_oci.documents import CONFIG, INDEX, LAYER_TAR, MANIFEST, encode
from kea_oci.errors import BadImageDocument, BlobDamaged, ImageNotFound, PlatformNotFound
from kea_oci.image import Image
from kea_oci.platform import LINUX_AMD64, Platform
from kea_oci.reference import ImageReference
from kea_oci.registry import Registry
from kea_oci.transfer import MAX_CONFIG_BYTES, pull

ARM = Platform("linux", "arm64", "v8")
NAME = ImageReference.parse("r.example/a:1")
LAYER = {"mediaType": LAYER_TAR, "digest": digest_of(b"layer"), "size": 5}


class StandIn:
    """Has documents and configurations, and counts what is asked."""

    def __init__(self) -> None:
        self.contents: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []

    def add(self, media_type: str, document: object, tag: str = "") -> dict[str, Any]:
        content = encode({"x": document}) if not isinstance(document, dict) else encode(document)
        for version in (digest_of(content), tag):
            self.contents[version] = media_type, content
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def image(self, platform: Platform = LINUX_AMD64, tag: str = "", **config: Any) -> dict[str, Any]:
        """Adds one with one layer, which itself is not there; returns its descriptor."""
        document = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
        described = self.add(CONFIG, {**document, "rootfs": {"diff_ids": [digest_of(b"layer")]}, **config})
        return self.add(MANIFEST, {"schemaVersion": 2, "config": described, "layers": [LAYER]}, tag)

    def index(self, *manifests: dict[str, Any]) -> dict[str, Any]:
        return self.add(INDEX, {"schemaVersion": 2, "manifests": manifests}, "1")

    def answer(self, request: httpx.Request) -> httpx.Response:
        version = request.url.path.rpartition("/")[2]
        self.asked.append(version)
        if version not in self.contents:
            return httpx.Response(HTTPStatus.NOT_FOUND)
        media_type, content = self.contents[version]
        headers = {"content-type": media_type}
        return httpx.Response(HTTPStatus.OK, headers=headers, stream=httpx.ByteStream(content))

    async def pull(self, store: BlobStore, platform: Platform = LINUX_AMD64) -> Image:
        client = Registry("r.example", transport=httpx.MockTransport(self.answer))
        try:
            return await pull(client, NAME, platform, store)
        finally:
            await client.close()


def for_platform(described: dict[str, Any], platform: Platform) -> dict[str, Any]:
    return {**described, "platform": {"os": platform.os, "architecture": platform.architecture}}


@pytest.fixture
def there() -> StandIn:
    return StandIn()


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


async def test_the_documents_come_and_the_layers_stay(there: StandIn, store: BlobStore) -> None:
    described = there.image(tag="1")
    image = await there.pull(store)
    assert image.descriptor.digest == described["digest"]
    assert digest_of(store.read(image.descriptor.digest)) == described["digest"]
    assert json.loads(store.read(image.manifest.config.digest)) == image.config
    assert image.manifest.layers[0].to_json() == LAYER
    assert LAYER["digest"] not in there.asked
    assert not store.has(image.manifest.layers[0])


async def test_the_image_of_the_platform_is_chosen(there: StandIn, store: BlobStore) -> None:
    arm, amd64 = (there.image(platform) for platform in (ARM, LINUX_AMD64))
    there.index(for_platform(arm, ARM), for_platform(amd64, LINUX_AMD64))
    assert (await there.pull(store)).descriptor.digest == amd64["digest"]
    image = await there.pull(store, Platform("linux", "arm64"))
    assert (image.descriptor.digest, image.platform) == (arm["digest"], ARM)
    assert await there.pull(store, ARM) == image


async def test_a_platform_that_is_not_offered_is_told_with_those_that_are(there: StandIn, store: BlobStore) -> None:
    arm = there.image(ARM)
    there.index(arm, for_platform(arm, ARM), for_platform(arm, Platform("windows", "amd64")))
    with pytest.raises(PlatformNotFound, match=r"not offered for linux/amd64, only for linux/arm64, windows/amd64$"):
        await there.pull(store)
    there.index()
    with pytest.raises(PlatformNotFound, match=r"only for none$"):
        await there.pull(store)


async def test_what_an_index_says_of_an_image_is_compared_with_the_image(there: StandIn, store: BlobStore) -> None:
    there.index(for_platform(there.image(ARM), LINUX_AMD64))
    with pytest.raises(PlatformNotFound, match=r"only for linux/arm64/v8$"):
        await there.pull(store)


@pytest.mark.parametrize("names", [["\x1b[2J\n"], ["x" * 100_000], [f"arm{number}" for number in range(10_000)]])
async def test_what_is_offered_is_told_in_one_bounded_line(there: StandIn, store: BlobStore, names: list[str]) -> None:
    image = there.image(ARM)
    there.index(*(for_platform(image, Platform("linux", name)) for name in names))
    with pytest.raises(PlatformNotFound) as caught:
        await there.pull(store)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


async def test_an_index_of_indexes_is_refused(there: StandIn, store: BlobStore) -> None:
    inner = there.add(INDEX, {"schemaVersion": 2, "manifests": []})
    there.index(for_platform(inner, LINUX_AMD64))
    with pytest.raises(BadImageDocument, match="it is an index of indexes, expected one of images"):
        await there.pull(store)


async def test_an_image_that_an_index_names_in_vain_is_told(there: StandIn, store: BlobStore) -> None:
    there.index(for_platform(LAYER, LINUX_AMD64))
    with pytest.raises(ImageNotFound, match=str(LAYER["digest"])):
        await there.pull(store)


async def test_a_configuration_that_is_too_large_is_not_fetched(there: StandIn, store: BlobStore) -> None:
    config = {"mediaType": CONFIG, "digest": digest_of(b"big"), "size": MAX_CONFIG_BYTES + 1}
    there.add(MANIFEST, {"schemaVersion": 2, "config": config, "layers": []}, "1")
    with pytest.raises(BadImageDocument, match=f"its configuration has {MAX_CONFIG_BYTES + 1} bytes"):
        await there.pull(store)
    assert there.asked == ["1"]


async def test_a_configuration_that_is_not_its_digest_is_not_used(there: StandIn, store: BlobStore) -> None:
    there.image(tag="1")
    config = next(digest for digest, (media_type, _) in there.contents.items() if media_type == CONFIG and digest)
    there.contents[config] = CONFIG, there.contents[config][1].replace(b"linux", b"plan9")
    with pytest.raises(BlobDamaged):
        await there.pull(store)
    assert list(store.path("sha256:").iterdir()) == []


@pytest.mark.parametrize(
    "config", [{"rootfs": {"diff_ids": []}}, {"rootfs": 5}, {"os": 5}, {"architecture": None}, {"rootfs": None}]
)
async def test_a_configuration_of_another_image_is_refused(
    there: StandIn, store: BlobStore, config: dict[str, Any]
) -> None:
    there.image(tag="1", **config)
    with pytest.raises(BadImageDocument, match="image configuration"):
        await there.pull(store)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("media_type", [MANIFEST, INDEX])
async def test_what_is_no_document_is_refused(
    there: StandIn, store: BlobStore, media_type: str, content: bytes
) -> None:
    there.contents["1"] = media_type, content
    with pytest.raises(BadImageDocument):
        await there.pull(store)
    assert list(store.path("sha256:").iterdir()) == []
