"""The JSON documents of images: descriptors, manifests, indexes (image-spec 1.1; Docker's schema 2 is read alike)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from kea_oci.digest import is_digest
from kea_oci.errors import BadImageDocument
from kea_oci.platform import Platform

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({INDEX, DOCKER_INDEX})
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
"""Of manifests and indexes, as the distribution specification bids registries take."""
MAX_LAYERS = 127
"""More than that container runtimes cannot mount."""
MAX_BLOB_BYTES = 1 << 40
_MANIFEST, _INDEX = "image manifest", "image index"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Names content by digest, and says what it is."""

    media_type: str
    digest: str
    size: int
    """In bytes."""
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.platform is not None:
            document["platform"] = {"architecture": self.platform.architecture, "os": self.platform.os}
            if self.platform.variant:
                document["platform"]["variant"] = self.platform.variant
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return document

    @classmethod
    def from_json(cls, document: object, what: str) -> Descriptor:
        """Reads one out of a document called `what`.

        Raises:
            BadImageDocument: it is none.
        """
        values = _object(document, what)
        media_type, digest, size = values.get("mediaType"), values.get("digest"), values.get("size")
        if not isinstance(media_type, str) or not isinstance(digest, str) or not is_digest(digest):
            raise BadImageDocument(what, "expected a descriptor with mediaType and a sha256 digest")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_BLOB_BYTES:
            told = size if isinstance(size, int) else type(size).__name__
            raise BadImageDocument(what, f"expected a size of 0 to {MAX_BLOB_BYTES} bytes, got {told}")
        return cls(media_type, digest, size, _platform(values.get("platform")), _annotations(values))


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image, for one platform."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])

    def encode(self) -> bytes:
        """Returns it as the bytes that its digest is of: the same for the same image."""
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return encode(document)

    @classmethod
    def decode(cls, content: bytes) -> Manifest:
        """Reads one.

        Raises:
            BadImageDocument: it is none, or has more layers than can be mounted.
        """
        document = decode(content, _MANIFEST)
        layers = document.get("layers")
        if document.get("schemaVersion") != 2 or not isinstance(layers, list):  # noqa: PLR2004 - the only one that OCI knows
            raise BadImageDocument(_MANIFEST, "expected schemaVersion 2 and a list of layers")
        entries = cast("list[object]", layers)
        if len(entries) > MAX_LAYERS:
            raise BadImageDocument(_MANIFEST, f"it has {len(entries)} layers, expected at most {MAX_LAYERS}")
        return cls(
            Descriptor.from_json(document.get("config"), "image manifest's config"),
            tuple(Descriptor.from_json(entry, "image manifest's layer") for entry in entries),
            _annotations(document),
        )


@dataclass(frozen=True, slots=True)
class Index:
    """The same image for several platforms."""

    manifests: tuple[Descriptor, ...]

    def encode(self) -> bytes:
        """Returns it as the bytes that its digest is of."""
        manifests = [manifest.to_json() for manifest in self.manifests]
        return encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})

    @classmethod
    def decode(cls, content: bytes) -> Index:
        """Reads one.

        Raises:
            BadImageDocument: it is none.
        """
        manifests = decode(content, _INDEX).get("manifests")
        if not isinstance(manifests, list):
            raise BadImageDocument(_INDEX, "expected a list of manifests")
        entries = cast("list[object]", manifests)
        return cls(tuple(Descriptor.from_json(entry, "image index's manifest") for entry in entries))

    def for_platform(self, platform: Platform) -> Descriptor | None:
        """Returns the image that a machine runs; the first of several, as the specification says."""
        return next((entry for entry in self.manifests if entry.platform and platform.runs(entry.platform)), None)


def check_kind(content: bytes, media_type: str) -> None:
    """Compares a document with the type it is served as: one digest must not be two images (CVE-2021-41190).

    Raises:
        BadImageDocument: it says itself that it is of the other kind, or has what only the other kind has.
    """
    what, kinds, foreign = (
        (_INDEX, INDEXES, ("config", "layers")) if media_type in INDEXES else (_MANIFEST, MANIFESTS, ("manifests",))
    )
    document = decode(content, what)
    if document.get("mediaType") not in (None, "", *kinds) or any(document.get(key) for key in foreign):
        raise BadImageDocument(what, f"it is served as {media_type}, but is something else")


def encode(document: Mapping[str, Any]) -> bytes:
    """Returns JSON that is the same for the same document."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode()


def decode(content: bytes, what: str) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        BadImageDocument: it is none, or too large.
    """
    if len(content) > MAX_DOCUMENT_BYTES:
        raise BadImageDocument(what, f"it is larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = json.loads(content)
        encode(document)  # Python reads halves of characters, and numbers without end, that nobody can write again
    except (ValueError, RecursionError) as error:
        raise BadImageDocument(what, "it is not JSON") from error
    return _object(document, what)


def _object(document: object, what: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise BadImageDocument(what, f"expected a JSON object, got {type(document).__name__}")
    return cast("dict[str, Any]", document)


def _annotations(document: Mapping[str, Any]) -> dict[str, str]:
    """Returns those that are texts, as all should be."""
    found = document.get("annotations")
    values = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return {key: value for key, value in values.items() if isinstance(value, str)}


def _platform(document: object) -> Platform | None:
    values = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    names = [values.get(key) for key in ("os", "architecture")]
    if not all(isinstance(name, str) for name in names):
        return None
    variant = values.get("variant")
    return Platform(str(names[0]), str(names[1]), variant if isinstance(variant, str) else "")
