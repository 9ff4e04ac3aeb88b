from __future__ import annotations

import json
from pathlib import Path

import pytest
from kea_oci.blob_store import BlobStore
from kea_oci.documents import INDEX, MANIFEST, Index
from kea_oci.image import Image, Run, compose
from kea_oci.layout import write_index, write_layout
from kea_oci.platform import LINUX_AMD64, Platform

ARM = Platform("linux", "arm64", "v8")


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


def image(store: BlobStore, platform: Platform = LINUX_AMD64, user: str = "") -> Image:
    return compose(store, platform, [], Run(user=user), {})


def test_an_index_names_each_image_by_its_platform(store: BlobStore) -> None:
    both = [image(store), image(store, ARM)]
    described = write_index(store, both)
    index = Index.decode(store.read(described.digest))
    assert (described.media_type, described.size) == (INDEX, len(store.read(described.digest)))
    assert [entry.digest for entry in index.manifests] == [made.descriptor.digest for made in both]
    assert [entry.platform for entry in index.manifests] == [LINUX_AMD64, ARM]
    assert write_index(store, both) == described


def test_a_layout_is_what_other_tools_read(store: BlobStore) -> None:
    named = {"b:1": image(store).descriptor, "a:1": image(store, user="x").descriptor}
    assert write_layout(store, named) == store.root
    assert json.loads((store.root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((store.root / "index.json").read_bytes())
    assert (index["schemaVersion"], index["mediaType"]) == (2, INDEX)
    assert index["manifests"] == [
        {
            "mediaType": MANIFEST,
            "digest": named[name].digest,
            "size": named[name].size,
            "annotations": {"org.opencontainers.image.ref.name": name},
        }
        for name in ("a:1", "b:1")
    ]
    assert sorted(path.name for path in store.root.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_a_layout_is_replaced_whole_and_the_same_for_the_same_images(store: BlobStore) -> None:
    write_layout(store, {"a": image(store).descriptor, "b": image(store).descriptor})
    first = (store.root / "index.json").read_bytes()
    write_layout(store, {})
    assert json.loads((store.root / "index.json").read_bytes())["manifests"] == []
    write_layout(store, {"b": image(store).descriptor, "a": image(store).descriptor})
    assert (store.root / "index.json").read_bytes() == first
