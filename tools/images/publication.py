"""Bringing images into a registry, and telling the chart of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from assembly import Made
from kea_deployer.builds.registries import Registries
from kea_oci.blob_store import BlobStore
from kea_oci.reference import ImageReference
from kea_oci.transfer import Origin, Progress, push
from recipes import PYTHON

PROJECT = "kea"
MODELS = "models"
HEADER = "# Made by tools/images: where KEA's images are. Give it to helm after other values.\n"


@dataclass(frozen=True, slots=True)
class Published:
    """An image that is in the registry."""

    name: str
    reference: ImageReference
    """Pinned."""
    bytes_sent: int
    blobs_sent: int


class Publication:
    """Pushes images below `REGISTRY/kea`.

    Args:
        registries: clients.
        store: where the images' documents are, and their own layers.
        registry: `HOST[:PORT][/PATH]`.
        base: where the layers of the base are.
    """

    def __init__(self, registries: Registries, store: BlobStore, registry: str, base: ImageReference) -> None:
        self._registries = registries
        self._store = store
        self._prefix = registry
        self._origin = Origin(registries[base.registry], base.repository)
        self._pushed: dict[str, str] = {}
        """Repositories of the layers that are in the registry, by digest."""

    async def publish(self, made: Made) -> Published:
        """Pushes an image; what the registry has is not sent again.

        Raises:
            KeaError: the registry does not take it (`kea_oci.errors`).
        """
        reference = ImageReference.parse(f"{self._prefix}/{PROJECT}/{made.name}:{made.tag}")
        registry, progress = self._registries[reference.registry], Progress()
        for layer in made.image.manifest.layers:
            before = self._pushed.get(layer.digest, reference.repository)
            if before != reference.repository and not await registry.has_blob(reference.repository, layer):
                await registry.mount_blob(reference.repository, layer, before)
        pinned = await push([made.image], self._store, registry, reference, origin=self._origin, progress=progress)
        for layer in made.image.manifest.layers:
            self._pushed.setdefault(layer.digest, reference.repository)
        return Published(made.name, pinned, progress.bytes_sent, progress.blobs_sent)


def values_of(published: Iterable[Published], registry: str, plain_http: Collection[str]) -> dict[str, Any]:
    """Returns the chart's values that say where images are."""
    images: dict[str, Any] = {}
    deployer: dict[str, Any] = {"repository": f"{registry}/{PROJECT}/{MODELS}", "plainHttp": sorted(plain_http)}
    for one in published:
        reference = one.reference
        if one.name == PYTHON:
            deployer["base"] = f"{registry}/{PROJECT}/{PYTHON}:{reference.tag}@{reference.digest}"
            continue
        images[one.name] = {
            "repository": f"{PROJECT}/{one.name}",
            "tag": reference.tag,
            "digest": reference.digest,
        }
    return {"imageRegistry": registry, "images": images, "deployer": {"images": deployer}}


def write_values(path: Path, values: dict[str, Any]) -> None:
    """Writes values for `helm --values`; those of images that were not made now are kept."""
    try:
        before: Any = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        before = {}
    if before and before["imageRegistry"] == values["imageRegistry"]:
        values = values | {
            "images": before["images"] | values["images"],
            "deployer": {"images": before["deployer"]["images"] | values["deployer"]["images"]},
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + yaml.safe_dump(values, sort_keys=True))
