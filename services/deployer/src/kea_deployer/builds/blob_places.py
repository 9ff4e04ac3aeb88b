"""Where layers have been pushed before: a registry takes them over from there, and nothing is sent."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterable
from pathlib import Path

from kea_oci.reference import ImageReference


class BlobPlaces:
    """One repository for each blob and registry, the one pushed to last. What is forgotten is sent once more.

    Args:
        directory: where that is noted; made where it is missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)

    async def of(self, registry: str, digests: Iterable[str]) -> dict[str, str]:
        """Returns a repository of the registry for each of the blobs that were pushed to it."""
        return await asyncio.to_thread(self._of, registry, tuple(digests))

    async def note(self, pushed: ImageReference, digests: Iterable[str]) -> None:
        """Notes that an image is in a registry, and these blobs with it."""
        await asyncio.to_thread(self._note, pushed, tuple(digests))

    def forget(self, digest: str) -> None:
        """Forgets a blob that is kept no longer."""
        for path in self._directory.glob(f"{_name(digest)}@*"):
            path.unlink(missing_ok=True)

    def _of(self, registry: str, digests: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for digest in digests:
            with contextlib.suppress(OSError):
                found[digest] = self._path(registry, digest).read_text()
        return found

    def _note(self, pushed: ImageReference, digests: tuple[str, ...]) -> None:
        for digest in digests:
            draft = self._directory / f".{secrets.token_hex(8)}"
            draft.write_text(pushed.repository)
            draft.replace(self._path(pushed.registry, digest))

    def _path(self, registry: str, digest: str) -> Path:
        return self._directory / f"{_name(digest)}@{registry}"


def _name(digest: str) -> str:
    return digest.rpartition(":")[2]
