"""Images in a directory: OCI image layouts (image-spec 1.1, image-layout.md), which `skopeo`, `ctr` and others read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kea_oci.blob_store import BlobStore
from kea_oci.documents import INDEX, Descriptor, Index, encode
from kea_oci.image import Image

REFERENCE = "org.opencontainers.image.ref.name"


def write_index(store: BlobStore, images: Sequence[Image]) -> Descriptor:
    """Keeps one index of the same image for several platforms."""
    content = Index(
        tuple(
            Descriptor(image.descriptor.media_type, image.descriptor.digest, image.descriptor.size, image.platform)
            for image in images
        )
    ).encode()
    return Descriptor(INDEX, store.put(content), len(content))


def write_layout(store: BlobStore, named: dict[str, Descriptor]) -> Path:
    """Makes a store, which must have all blobs of the images, an image layout with these images by name."""
    manifests = [{**described.to_json(), "annotations": {REFERENCE: name}} for name, described in sorted(named.items())]
    _write(store.root / "index.json", encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))
    _write(store.root / "oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
    return store.root


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
