"""Archives of models: uncompressed tars that depend on nothing but the names and contents of the files."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from kea_sdk.errors import PackagingError

CHUNK_BYTES = 1024 * 1024

Content = Path | bytes
"""A file on disk, or what is to be in it."""


class Archive:
    """A finished archive in a temporary file, which is gone when it is closed.

    Args:
        files: content by path inside the archive.

    Raises:
        PackagingError: a file cannot be read.
    """

    def __init__(self, files: Mapping[str, Content]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the archive
        try:
            _write(self._file, files)
            self._file.flush()
        except OSError as error:
            self._file.close()
            what = f"{error.filename} cannot be read" if error.filename else "the archive cannot be made"
            problem = f"{what}: {error.strerror or error}"
            raise PackagingError(problem) from error
        self.size = self._file.tell()
        """Bytes."""
        self.sha256 = self._digest()
        """Of the whole archive, in lower-case hexadecimal digits."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes it."""
        self._file.close()

    def chunks(self, sent: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
        """Gives the archive from its beginning, calling `sent` with the bytes given so far after each chunk."""
        handle = self._file.fileno()
        total = 0
        # At offsets of its own: gRPC reads in a thread, which may still be at it when the upload begins anew.
        while chunk := os.pread(handle, CHUNK_BYTES, total):
            yield chunk
            total += len(chunk)
            sent(total)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


def _write(file: IO[bytes], files: Mapping[str, Content]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            content = files[name]
            entry = tarfile.TarInfo(name)  # its defaults: no owner, no time
            entry.mode = 0o644
            if isinstance(content, bytes):
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            else:
                entry.size = content.stat().st_size
                with content.open("rb") as source:
                    tar.addfile(entry, source)
