"""Images that somebody else has made: found, and pinned."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from kea_oci.blob_store import BlobStore
from kea_oci.errors import PlatformNotFound
from kea_oci.reference import ImageReference
from kea_oci.transfer import pull

from kea_deployer.builds.errors import ImagePlatformMissing
from kea_deployer.builds.registries import Registries
from kea_deployer.builds.target import Target


async def pin(reference: str, registries: Registries, targets: Iterable[Target]) -> ImageReference:
    """Returns an image as it is now, pinned by digest: whatever its tag comes to stand for, this one is meant.

    Only its documents are read; what is in it is for whoever made it.

    Args:
        reference: `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`.
        registries: which it is looked for in.
        targets: machines it must run on.

    Raises:
        BadImageReference: `IMAGE_REFERENCE_INVALID`, it is no name of an image.
        ImageNotFound: `IMAGE_NOT_FOUND`, the registry has none of that name.
        ImagePlatformMissing: `IMAGE_PLATFORM_MISSING`, it is not for one of the targets.
        RegistryUnavailable: `REGISTRY_UNAVAILABLE`, the registry does not answer.
        KeaError: the registry refuses, or what it has is no image (`kea_oci.errors`).
    """
    name = ImageReference.parse(reference)
    registry = registries[name.registry]
    pinned = name.at((await registry.document(name)).descriptor.digest)
    directory = await asyncio.to_thread(TemporaryDirectory, prefix="kea-prebuilt-")
    try:
        store = BlobStore(Path(directory.name))
        for target in targets:
            try:
                await pull(registry, pinned, target.platform, store)
            except PlatformNotFound as error:
                raise ImagePlatformMissing(reference, str(target.platform), error.metadata["offered"]) from error
    finally:
        await asyncio.to_thread(directory.cleanup)
    return pinned
