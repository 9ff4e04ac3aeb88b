"""Images brought into a file, from the registry that everybody runs: distribution, from Debian."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import tarfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from kea_core.settings import Secret
from kea_oci.blob_store import BlobStore
from kea_oci.credentials import Credentials
from kea_oci.digest import digest_of
from kea_oci.documents import INDEX
from kea_oci.image import Run, compose
from kea_oci.layer import Entry, write_layer
from kea_oci.layout import write_index
from kea_oci.platform import LINUX_AMD64, Platform
from kea_oci.reference import ImageReference
from kea_oci.registry import Registry
from kea_oci.transfer import push
from kea_sdk import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from kea_sdk.image_download import download_image

pytestmark = pytest.mark.registry

KIT = Path(__file__).parents[3] / "kea-oci" / "tests" / "conftest.py"


def kit() -> Any:
    """Returns what runs a registry; test folders are not packages, so it cannot be imported."""
    found = importlib.util.spec_from_file_location("kea_oci_kit", KIT)
    assert found is not None
    assert found.loader is not None
    made: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    return made


@pytest.fixture(autouse=True)
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Docker configuration of the test's own, which is not there yet."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker" / "config.json"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncGenerator[str]:
    """A registry that wants a name and a password."""
    path = tmp_path / "registry" / "htpasswd"
    async with kit().serve_registry(path.parent, f"auth: {{htpasswd: {{realm: kea, path: {path}}}}}\n") as address:
        yield address


@pytest.fixture
def logged_in(docker: Path, registry: str) -> None:
    docker.parent.mkdir()
    auth = base64.b64encode(b"kea:secret").decode()
    docker.write_text(json.dumps({"auths": {registry: {"auth": auth}}}))


async def pushed(registry: str, directory: Path, *platforms: str) -> tuple[str, BlobStore]:
    """Pushes an image; returns its name, and all of it."""
    store = BlobStore(directory)
    parsed = [Platform.parse(platform) for platform in platforms]
    images = [
        compose(store, platform, [write_layer(store, [Entry("a", str(platform).encode())], compress=True)], Run(), {})
        for platform in parsed
    ]
    client = Registry(registry, Credentials("kea", Secret("secret")), plain_http=True)
    try:
        name = ImageReference.parse(f"{registry}/models/default/iris:3")
        index = write_index(store, images) if len(images) > 1 else None
        return str(await push(images, store, client, name, index=index)), store
    finally:
        await client.close()


def left(directory: Path) -> list[Path]:
    """Returns what a download has left that is of no use."""
    return [entry for entry in directory.iterdir() if entry.name.startswith(".")]


async def download(image: str, path: Path, **more: Any) -> None:
    await asyncio.to_thread(download_image, image, path, **more)


@pytest.mark.parametrize("platforms", [("linux/amd64",), ("linux/amd64", "linux/arm64")])
@pytest.mark.usefixtures("logged_in")
async def test_the_file_is_a_layout_with_the_whole_image(
    registry: str, tmp_path: Path, platforms: tuple[str, ...]
) -> None:
    image, store = await pushed(registry, tmp_path / "made", *platforms)
    path, told = tmp_path / "iris.tar", list[tuple[int, int]]()
    path.write_bytes(b"something else")
    await download(image, path, progress=lambda here, whole: told.append((here, whole)))
    with tarfile.open(path) as tar:
        files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isreg()}  # pyright: ignore[reportOptionalMemberAccess] - it is a file
    assert json.loads(files.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    (top,) = json.loads(files.pop("index.json"))["manifests"]
    assert image.endswith(f"@{top['digest']}")
    assert (top["mediaType"] == INDEX) == (len(platforms) > 1)
    assert top["annotations"]["org.opencontainers.image.ref.name"] == image.partition("@")[0]
    for name, content in files.items():
        assert name == f"blobs/sha256/{digest_of(content).removeprefix('sha256:')}"
    assert {name.rpartition("/")[2] for name in files} == {blob.name for blob in store.path("").iterdir()}
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] > 0
    first = path.read_bytes()
    await download(image, path)
    assert path.read_bytes() == first, "the same image is the same file"
    assert left(tmp_path) == []


async def test_who_is_not_logged_in_gets_nothing(registry: str, tmp_path: Path) -> None:
    image, _ = await pushed(registry, tmp_path / "made", str(LINUX_AMD64))
    with pytest.raises(FailedPrecondition) as caught:
        await download(image, tmp_path / "iris.tar")
    assert caught.value.reason == "REGISTRY_DENIED"
    assert not (tmp_path / "iris.tar").exists()


@pytest.mark.usefixtures("logged_in")
async def test_what_a_registry_does_not_give_is_told(registry: str, tmp_path: Path, docker: Path) -> None:
    path = tmp_path / "iris.tar"
    with pytest.raises(NotFound) as caught:
        await download(f"{registry}/models/default/iris:4", path)
    assert caught.value.reason == "IMAGE_NOT_FOUND"
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        await download("127.0.0.1:1/iris:4", path)
    await asyncio.to_thread(docker.write_text, "[]")
    with pytest.raises(InvalidArgument, match="no Docker configuration"):
        await download(f"{registry}/models/default/iris:4", path)
    assert not path.exists()
