"""Putting images together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from kea_oci.blob_store import BlobStore
from kea_oci.digest import is_digest
from kea_oci.documents import CONFIG, MANIFEST, MAX_LAYERS, Descriptor, Manifest, decode, encode
from kea_oci.errors import BadImageDocument
from kea_oci.layer import Layer
from kea_oci.platform import Platform

_IMAGE, _CONFIGURATION = "image", "image configuration"
EPOCH = "1970-01-01T00:00:00Z"
"""When all images were made: the time of making is no part of what an image is."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image, for one platform. Its own documents are in a blob store; its layers are there or in a registry."""

    descriptor: Descriptor
    """Of the manifest."""
    manifest: Manifest
    config: Mapping[str, Any]

    @property
    def platform(self) -> Platform:
        """The machine it is for."""
        variant = self.config.get("variant")
        return Platform(str(self.config["os"]), str(self.config["architecture"]), str(variant or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a container of an image is run (image-spec 1.1, config.md). What is empty stays as in the base."""

    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str = ""
    directory: str = ""
    ports: Sequence[str] = ()
    """As `8080/tcp`."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    stop_signal: str = ""


def read_config(content: bytes, layers: int) -> dict[str, Any]:
    """Reads a configuration, and checks what is relied on.

    Raises:
        BadImageDocument: it is none, or does not belong to that number of layers.
    """
    config = decode(content, _CONFIGURATION)
    for key in ("os", "architecture"):
        if not isinstance(config.get(key), str):
            raise BadImageDocument(_CONFIGURATION, f"expected {key}")
    _expect(config, variant=str, history=list, config=dict)
    run: dict[str, Any] = config.get("config") or {}
    _expect(run, Env=list, ExposedPorts=dict, Labels=dict)
    if not all(isinstance(variable, str) for variable in run.get("Env") or []):
        raise BadImageDocument(_CONFIGURATION, "expected texts in Env")
    rootfs = config.get("rootfs")
    diff_ids = cast("dict[str, Any]", rootfs).get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or not all(
        isinstance(entry, str) and is_digest(entry) for entry in cast("list[object]", diff_ids)
    ):
        raise BadImageDocument(_CONFIGURATION, "expected a rootfs with the layers' diff_ids")
    if len(cast("list[object]", diff_ids)) != layers:
        raise BadImageDocument(
            _CONFIGURATION, f"it is of {len(cast('list[object]', diff_ids))} layers, the manifest of {layers}"
        )
    return config


def _expect(values: Mapping[str, Any], **kinds: type) -> None:
    for key, kind in kinds.items():
        if not isinstance(values.get(key), kind | None):
            raise BadImageDocument(_CONFIGURATION, f"expected {key} to be nothing or {kind.__name__}")


def compose(
    store: BlobStore, base: Image | Platform, layers: Sequence[Layer], run: Run, annotations: Mapping[str, str]
) -> Image:
    """Puts layers on a base, or on nothing for a platform, and keeps the documents in the store.

    The same arguments give the same digest.

    Raises:
        BadImageDocument: there are more layers than can be mounted.
    """
    config: dict[str, Any]
    below: tuple[Descriptor, ...]
    if isinstance(base, Image):
        config, below = dict(base.config), base.manifest.layers
    else:
        below = ()
        config = {"os": base.os, "architecture": base.architecture, "rootfs": {"diff_ids": []}}
        config |= {"variant": base.variant} if base.variant else {}
    if len(below) + len(layers) > MAX_LAYERS:
        raise BadImageDocument(_IMAGE, f"it has {len(below) + len(layers)} layers, expected at most {MAX_LAYERS}")
    diff_ids = [*config["rootfs"]["diff_ids"], *(layer.diff_id for layer in layers)]
    history = [*(config.get("history") or []), *({"created": EPOCH, "created_by": layer.comment} for layer in layers)]
    config |= {
        "created": EPOCH,
        "config": _run(config.get("config") or {}, run),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    }
    content = encode(config)
    described = Descriptor(CONFIG, store.put(content), len(content))
    manifest = Manifest(described, (*below, *(layer.descriptor for layer in layers)), annotations)
    content = manifest.encode()
    return Image(Descriptor(MANIFEST, store.put(content), len(content)), manifest, config)


def _run(base: Mapping[str, Any], run: Run) -> dict[str, Any]:
    merged = dict(base)
    if run.entrypoint:
        merged["Entrypoint"] = list(run.entrypoint)
        merged.pop("Cmd", None)  # the base's arguments are for the base's program
    if run.arguments:
        merged["Cmd"] = list(run.arguments)
    if run.environment:
        given = dict(line.partition("=")[::2] for line in base.get("Env") or [])
        # The base's order counts, as its own variables stand on one another; a mapping's does not.
        merged["Env"] = [f"{name}={value}" for name, value in (given | dict(sorted(run.environment.items()))).items()]
    if run.ports:
        merged["ExposedPorts"] = {**(base.get("ExposedPorts") or {}), **{port: {} for port in run.ports}}
    if run.labels:
        merged["Labels"] = {**(base.get("Labels") or {}), **run.labels}
    texts = {"User": run.user, "WorkingDir": run.directory, "StopSignal": run.stop_signal}
    return merged | {key: value for key, value in texts.items() if value}
