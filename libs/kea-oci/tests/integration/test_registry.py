"""Against the registry that everybody runs: distribution, from Debian."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from kea_core.settings import Secret
from kea_oci.blob_store import BlobStore
from kea_oci.credentials import Credentials
from kea_oci.documents import Descriptor, Index
from kea_oci.errors import BlobDamaged, ImageNotFound, PlatformNotFound, RegistryDenied, RegistryUnavailable
from kea_oci.image import Image, Run, compose
from kea_oci.layer import Entry, Layer, write_layer
from kea_oci.layout import write_index
from kea_oci.platform import LINUX_AMD64, Platform
from kea_oci.reference import ImageReference
from kea_oci.registry import Registry
from kea_oci.transfer import Origin, Progress, pull, push

pytestmark = pytest.mark.registry

ARM = Platform("linux", "arm64")
KEA = Credentials("kea", Secret("secret"))


@asynccontextmanager
async def connected(address: str, credentials: Credentials | None = None) -> AsyncGenerator[Registry]:
    registry = Registry(address, credentials, plain_http=True)
    try:
        yield registry
    finally:
        await registry.close()


def layer(store: BlobStore, text: str) -> Layer:
    return write_layer(store, [Entry("a/file", text.encode() * 1000)], compress=True, comment=text)


def image(store: BlobStore, *texts: str, base: Image | Platform = LINUX_AMD64) -> Image:
    return compose(store, base, [layer(store, text) for text in texts], Run(entrypoint=["/a/file"]), {})


async def test_an_image_that_is_pushed_is_there_and_pushed_again_sends_nothing(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    made = image(store, "one", "two")
    name = ImageReference.parse(f"{registry}/team/iris:1")
    async with connected(registry) as client:
        first, again = Progress(), Progress()
        pinned = await push([made], store, client, name, progress=first)
        assert pinned == name.at(made.descriptor.digest)
        assert (first.blobs_sent, first.blobs_there) == (3, 0)
        assert first.bytes_sent == sum(blob.size for blob in (*made.manifest.layers, made.manifest.config))
        await push([made], store, client, name, progress=again)
        assert (again.blobs_sent, again.blobs_there, again.bytes_sent) == (0, 3, 0)

        other = BlobStore(tmp_path / "other")
        for reference in (name, pinned, ImageReference.parse(f"{registry}/team/iris@{made.descriptor.digest}")):
            assert await pull(client, reference, LINUX_AMD64, other) == made
        await client.pull_blob("team/iris", made.manifest.layers[0], other)
        digest = made.manifest.layers[0].digest
        assert other.path(digest).read_bytes() == store.path(digest).read_bytes()


async def test_layers_of_the_base_are_mounted_or_brought_along(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    base = image(store, "base")
    async with connected(registry) as client:
        await push([base], store, client, ImageReference.parse(f"{registry}/base:12"))
        empty = BlobStore(tmp_path / "empty")
        pulled = await pull(client, ImageReference.parse(f"{registry}/base:12"), LINUX_AMD64, empty)
        assert not empty.has(pulled.manifest.layers[0])
        made = image(empty, "mine", base=pulled)
        progress = Progress()
        target = ImageReference.parse(f"{registry}/mine:1")
        await push([made], empty, client, target, origin=Origin(client, "base"), progress=progress)
        assert progress.bytes_sent == made.manifest.layers[1].size + made.manifest.config.size
        assert not empty.has(pulled.manifest.layers[0])  # the registry had it, so it never came here
        assert await pull(client, target, LINUX_AMD64, BlobStore(tmp_path / "third")) == made


async def test_a_base_of_another_registry_is_copied(registry: str, closed_registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    base = image(store, "base")
    async with connected(registry) as here, connected(closed_registry, KEA) as there:
        await push([base], store, here, ImageReference.parse(f"{registry}/base:12"))
        empty = BlobStore(tmp_path / "empty")
        pulled = await pull(here, ImageReference.parse(f"{registry}/base:12"), LINUX_AMD64, empty)
        made = image(empty, "mine", base=pulled)
        target = ImageReference.parse(f"{closed_registry}/mine:1")
        await push([made], empty, there, target, origin=Origin(here, "base"))
        assert await pull(there, target, LINUX_AMD64, BlobStore(tmp_path / "third")) == made
        await there.pull_blob("mine", made.manifest.layers[0], BlobStore(tmp_path / "fourth"))


async def test_one_name_for_several_platforms(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    both = [image(store, "same", base=platform) for platform in (LINUX_AMD64, ARM)]
    index = write_index(store, both)
    name = ImageReference.parse(f"{registry}/multi:1")
    async with connected(registry) as client:
        pinned = await push(both, store, client, name, index=index)
        assert pinned.digest == index.digest
        for platform, made in zip((LINUX_AMD64, Platform.parse("linux/arm64/v8")), both, strict=True):
            assert await pull(client, pinned, platform, BlobStore(tmp_path / str(platform.architecture))) == made
        with pytest.raises(PlatformNotFound, match="not offered for linux/s390x, only for linux/amd64, linux/arm64"):
            await pull(client, name, Platform("linux", "s390x"), store)
        assert Index.decode(store.read(index.digest)).manifests[1].platform == ARM


async def test_an_image_for_another_machine_only_is_refused(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    name = ImageReference.parse(f"{registry}/arm:1")
    async with connected(registry) as client:
        await push([image(store, "x", base=ARM)], store, client, name)
        with pytest.raises(PlatformNotFound, match="only for linux/arm64"):
            await pull(client, name, LINUX_AMD64, store)


async def test_what_is_not_there_is_told_by_name(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    async with connected(registry) as client:
        with pytest.raises(ImageNotFound, match=f"there is no image {registry}/none:1"):
            await pull(client, ImageReference.parse(f"{registry}/none:1"), LINUX_AMD64, store)
        with pytest.raises(ImageNotFound):
            await client.pull_blob("none", Descriptor("x", "sha256:" + "0" * 64, 1), store)
        assert list(store.path("sha256:").iterdir()) == []


@pytest.mark.parametrize(
    "credentials", [None, Credentials("kea", Secret("wrong")), Credentials("eve", Secret("secret"))]
)
async def test_a_registry_that_refuses_is_told_without_the_password(
    closed_registry: str, tmp_path: Path, credentials: Credentials | None
) -> None:
    store = BlobStore(tmp_path / "store")
    async with connected(closed_registry, credentials) as client:
        with pytest.raises(RegistryDenied) as caught:
            await push([image(store, "x")], store, client, ImageReference.parse(f"{closed_registry}/a:1"))
    assert closed_registry in str(caught.value)
    assert "wrong" not in str(caught.value)
    assert "wrong" not in repr(credentials)


async def test_an_upload_that_is_cancelled_leaves_no_blob(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    with store.draft() as draft:
        for number in range(64):
            draft.write(bytes([number]) * (1 << 20))
    big = Descriptor("application/octet-stream", draft.digest, draft.size)
    begun = asyncio.Event()
    async with connected(registry) as client:
        sending = client.push_blob("big", big, store.path(big.digest), lambda _bytes: begun.set())
        work = asyncio.ensure_future(sending)
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not await client.has_blob("big", big)


async def test_a_blob_that_changed_on_disk_is_not_taken(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    made = image(store, "one")
    path = store.path(made.manifest.layers[0].digest)
    path.write_bytes(bytes(path.stat().st_size))
    name = ImageReference.parse(f"{registry}/a:1")
    async with connected(registry) as client:
        with pytest.raises(Exception, match="digest"):
            await push([made], store, client, name)
        with pytest.raises(ImageNotFound):
            await pull(client, name, LINUX_AMD64, BlobStore(tmp_path / "other"))


async def test_what_the_registry_damaged_is_not_kept(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    made = image(store, "one")
    digest = made.manifest.layers[0].digest
    async with connected(registry) as client:
        await push([made], store, client, ImageReference.parse(f"{registry}/a:1"))
        blobs = tmp_path / "registry" / "data" / "docker" / "registry" / "v2" / "blobs" / "sha256"
        data = blobs / digest[7:9] / digest[7:] / "data"
        data.write_bytes(bytes(data.stat().st_size))
        other = BlobStore(tmp_path / "other")
        with pytest.raises(BlobDamaged):
            await client.pull_blob("a", made.manifest.layers[0], other)
        assert list(other.path("sha256:").iterdir()) == []


async def test_nothing_that_listens_is_told_in_one_sentence(tmp_path: Path) -> None:
    async with connected("127.0.0.1:1") as client:
        with pytest.raises(RegistryUnavailable, match=r"registry 127\.0\.0\.1:1: it cannot be reached"):
            await pull(client, ImageReference.parse("127.0.0.1:1/a"), LINUX_AMD64, BlobStore(tmp_path))


async def test_the_registry_takes_the_documents_for_what_they_are(registry: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    made = image(store, "one")
    async with connected(registry) as client:
        await push([made], store, client, ImageReference.parse(f"{registry}/a:1"))
    async with httpx.AsyncClient(base_url=f"http://{registry}/v2/", trust_env=False) as plain:
        answer = await plain.get("a/manifests/1", headers={"accept": made.descriptor.media_type})
        assert answer.headers["docker-content-digest"] == made.descriptor.digest
        assert json.loads(answer.content)["mediaType"] == answer.headers["content-type"]
        assert (await plain.get("a/tags/list")).json() == {"name": "a", "tags": ["1"]}
