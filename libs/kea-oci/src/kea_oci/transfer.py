"""Moving images between registries and blob stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from kea_core.errors import KeaError
from kea_core.task_scope import first_error

from kea_oci.blob_store import BlobStore
from kea_oci.documents import INDEXES, Descriptor, Index, Manifest
from kea_oci.errors import BadImageDocument, PlatformNotFound, RegistryDenied
from kea_oci.image import Image, read_config
from kea_oci.platform import Platform
from kea_oci.reference import ImageReference
from kea_oci.registry import Document, Registry

AT_ONCE = 3
"""Blobs moved at the same time."""
MAX_CONFIG_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the layers of a base are."""

    registry: Registry
    repository: str


@dataclass(slots=True)
class Progress:
    """How far a transfer is; `notice` is called at each change."""

    notice: Callable[[Progress], None] = lambda _progress: None
    bytes_sent: int = 0
    blobs_sent: int = 0
    blobs_there: int = 0
    """Not sent: the registry had them."""

    def sent(self, more: int) -> None:
        """Counts bytes."""
        self.bytes_sent += more
        self.notice(self)


async def pull(registry: Registry, reference: ImageReference, platform: Platform, store: BlobStore) -> Image:
    """Returns an image of a registry for a platform; its documents come into the store, its layers stay.

    Raises:
        ImageNotFound: there is none.
        PlatformNotFound: there is none for the platform.
        BadImageDocument: what is there is no image.
    """
    document = await registry.document(reference)
    if document.descriptor.media_type in INDEXES:
        index = Index.decode(document.content)
        chosen = index.for_platform(platform)
        if chosen is None:
            offered = ", ".join(str(entry.platform) for entry in index.manifests if entry.platform) or "none"
            raise PlatformNotFound(str(reference), str(platform), offered)
        document = await registry.document(reference.at(chosen.digest))
        if document.descriptor.media_type in INDEXES:
            raise BadImageDocument(str(reference), "it is an index of indexes, expected one of images")
    manifest = Manifest.decode(document.content)
    if manifest.config.size > MAX_CONFIG_BYTES:
        raise BadImageDocument(str(reference), f"its configuration has {manifest.config.size} bytes")
    await registry.pull_blob(reference.repository, manifest.config, store)
    config = read_config(store.read(manifest.config.digest), len(manifest.layers))
    store.put(document.content)
    image = Image(document.descriptor, manifest, config)
    if not platform.runs(image.platform):
        raise PlatformNotFound(str(reference), str(platform), str(image.platform))
    return image


async def push(
    images: Sequence[Image],
    store: BlobStore,
    registry: Registry,
    reference: ImageReference,
    *,
    index: Descriptor | None = None,
    origin: Origin | None = None,
    places: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    seal: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> ImageReference:
    """Brings images, and the index of them where there are several, into a registry; returns the pinned reference.

    The manifest goes last: whoever sees the image finds all of it. What the registry has is not sent again.

    Args:
        images: one for each platform.
        store: where their documents are, and the layers that are new.
        registry: of the reference.
        reference: with a tag, or without.
        index: in the store; needed where there are several images.
        origin: where layers are that are not in the store.
        places: other repositories of the registry that have layers, by digest, as far as that is known: from there the
            registry takes them itself. One that has lost them costs a request.
        progress: told of each step.
        seal: gives what is held while the image's name is pushed, which is last; until then nobody sees it.

    Raises:
        ImageNotFound: a layer is nowhere.
    """
    progress = progress or Progress()
    blobs = {blob.digest: blob for image in images for blob in (*image.manifest.layers, image.manifest.config)}
    turns = asyncio.Semaphore(AT_ONCE)

    async def send(blob: Descriptor) -> None:
        async with turns:
            place = (places or {}).get(blob.digest, "")
            if place and place != reference.repository and await _mounted(blob, registry, reference.repository, place):
                progress.blobs_there += 1
                progress.notice(progress)
            else:
                await _send(blob, store, registry, reference.repository, origin, progress)

    try:
        async with asyncio.TaskGroup() as tasks:
            for blob in blobs.values():
                tasks.create_task(send(blob), name=f"push {blob.digest[:19]}")
    except BaseExceptionGroup as errors:
        # Not `except*`: what is raised there stays in a group before Python 3.11.4.
        raise first_error(errors.subgroup(KeaError) or errors) from None
    last = index or images[0].descriptor
    if index is not None:
        for image in images:
            document = Document(image.descriptor, store.read(image.descriptor.digest))
            await registry.push_document(reference.repository, image.descriptor.digest, document)
    document = Document(last, store.read(last.digest))
    with seal():
        await registry.push_document(reference.repository, reference.tag or last.digest, document)
    return reference.at(last.digest)


async def _mounted(blob: Descriptor, registry: Registry, repository: str, place: str) -> bool:
    if await registry.has_blob(repository, blob):
        return True
    try:
        return await registry.mount_blob(repository, blob, place)
    except RegistryDenied:  # of the other repository: this one may be pushed to all the same
        return False


async def _send(
    blob: Descriptor, store: BlobStore, registry: Registry, repository: str, origin: Origin | None, progress: Progress
) -> None:
    if await registry.has_blob(repository, blob):
        progress.blobs_there += 1
    elif origin is not None and not store.has(blob) and origin.registry is registry and origin.repository != repository:
        if not await registry.mount_blob(repository, blob, origin.repository):
            await registry.pull_blob(origin.repository, blob, store)
            await registry.push_blob(repository, blob, store.path(blob.digest), progress.sent)
        progress.blobs_sent += 1
    else:
        if origin is not None:
            await origin.registry.pull_blob(origin.repository, blob, store)
        await registry.push_blob(repository, blob, store.path(blob.digest), progress.sent)
        progress.blobs_sent += 1
    progress.notice(progress)
