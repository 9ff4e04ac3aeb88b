"""Layers that were made before, by what they were made of."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from weakref import WeakValueDictionary

from kea_oci.blob_store import BlobStore
from kea_oci.documents import Descriptor
from kea_oci.errors import BadImageDocument
from kea_oci.layer import Layer

from kea_deployer.builds.blob_places import BlobPlaces

FORMAT = 2
"""Counts up when layers of the same making come out otherwise."""
YOUNG_SECONDS = 3600.0
"""How long a blob that no layer names is left alone: a build may be about to name it, or to push it."""


def layer_key(*parts: object) -> str:
    """Returns the name of what is made of these."""
    return hashlib.sha256(json.dumps([FORMAT, *parts], default=str).encode()).hexdigest()


class LayerCache:
    """Each layer once; whoever else wants one that is being made waits for it.

    Args:
        store: where their blobs are.
        directory: where it is noted which is which; made where it is missing.
    """

    def __init__(self, store: BlobStore, directory: Path) -> None:
        self.store = store
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self.places = BlobPlaces(directory.with_name(f"{directory.name}.places"))
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tidying = threading.Lock()
        """Held so that no layer goes between being found and being used."""

    async def get(self, key: str, make: Callable[[], Awaitable[Layer]]) -> Layer:
        """Returns the layer of that key; where there is none it is made. What `make` raises is passed on."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            known = await asyncio.to_thread(self._use, key)
            if known is None:
                known = await make()
                await asyncio.to_thread(self._write, key, known)
            return known

    def _read(self, key: str) -> Layer | None:
        path = self._directory / key
        try:
            document = json.loads(path.read_bytes())
            described = Descriptor.from_json(document["descriptor"], "layer")
            layer = Layer(described, document["diff_id"], document["comment"])
        except (OSError, ValueError, KeyError, TypeError, BadImageDocument):
            return None
        return layer if self.store.has(layer.descriptor) else None

    def _use(self, key: str) -> Layer | None:
        with self._tidying:
            layer = self._read(key)
            if layer is not None:
                os.utime(self._directory / key)  # used now: the longest unused go first
                os.utime(self.store.path(layer.descriptor.digest))  # young again: whoever asked is about to push it
            return layer

    def _write(self, key: str, layer: Layer) -> None:
        document = {"descriptor": layer.descriptor.to_json(), "diff_id": layer.diff_id, "comment": layer.comment}
        draft = self._directory / f".{key}.{os.getpid()}"
        draft.write_text(json.dumps(document))
        draft.replace(self._directory / key)

    async def tidy(self, max_bytes: int) -> None:
        """Forgets the layers that were not used for longest until the others have at most so many bytes."""

        def tidy() -> None:
            with self._tidying:
                self._tidy(max_bytes)

        await asyncio.to_thread(tidy)

    def _tidy(self, max_bytes: int) -> None:
        kept, total = set[str](), 0
        for path in sorted(self._directory.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime, reverse=True):
            layer = self._read(path.name)
            digest = "" if layer is None else layer.descriptor.digest
            total += 0 if layer is None or digest in kept else layer.descriptor.size
            if layer is None or total > max_bytes:
                path.unlink(missing_ok=True)
            else:
                kept.add(digest)
        young = time.time() - YOUNG_SECONDS
        for blob in self.store.path("").iterdir():
            with contextlib.suppress(FileNotFoundError):  # drafts come and go meanwhile
                if f"sha256:{blob.name}" not in kept and blob.stat().st_mtime < young:
                    blob.unlink()
                    self.places.forget(blob.name)
