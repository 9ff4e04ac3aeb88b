"""Content by digest, in a directory: the `blobs` of an OCI image layout (image-spec 1.1, image-layout.md)."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kea_oci.digest import digest_of
from kea_oci.documents import Descriptor
from kea_oci.errors import BlobDamaged

CHUNK_BYTES = 1024 * 1024


class DraftBlob:
    """Content that is being written; nobody sees it before `BlobStore.draft` ends."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        """Appends."""
        self._hash.update(content)
        self.size += len(content)
        return self._file.write(content)

    @property
    def digest(self) -> str:
        """Of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"


class BlobStore:
    """Whole blobs only: each is written beside its place, synced, and renamed.

    Args:
        root: directory of the image layout; made where it is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        self._blobs.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Returns where a blob is, or would be."""
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, descriptor: Descriptor) -> bool:
        """Returns whether a blob is here, in its full size."""
        try:
            return self.path(descriptor.digest).stat().st_size == descriptor.size
        except FileNotFoundError:
            return False

    def put(self, content: bytes) -> str:
        """Keeps some bytes; returns their digest."""
        with self.draft(digest_of(content)) as draft:
            draft.write(content)
        return draft.digest

    def read(self, digest: str) -> bytes:
        """Returns a small blob.

        Raises:
            BlobDamaged: it is no longer what it was.
        """
        content = self.path(digest).read_bytes()
        if digest_of(content) != digest:
            raise BlobDamaged(digest, digest_of(content))
        return content

    @contextmanager
    def draft(self, expected: str = "") -> Generator[DraftBlob]:
        """Gives something to write to; at the end it is a blob, unless an exception ended it.

        Raises:
            BlobDamaged: it is not what was expected.
        """
        draft_path = self._blobs / f".draft-{secrets.token_hex(8)}"
        try:
            with draft_path.open("xb") as file:
                draft = DraftBlob(file)
                yield draft
                file.flush()
                os.fsync(file.fileno())
            if expected and draft.digest != expected:
                raise BlobDamaged(expected, draft.digest)
            draft_path.replace(self.path(draft.digest))
        finally:
            draft_path.unlink(missing_ok=True)
