"""Checking archives: uncompressed tars that can be unpacked anywhere without harm. Nothing is unpacked here."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from kea_registry.domain.errors import ArchiveInvalid

MAX_ENTRIES = 100_000
MAX_PATH = 1024
"""Longest path in an archive, in characters."""
MAX_HEADER_BYTES = 1024 * 1024
"""Longest extended header: tar readers take one whole into memory."""
MAX_READS = 8 * MAX_ENTRIES
"""Reads of headers at most: headers that lie about sizes can lead a reader in circles."""
MAX_SOURCES = 1024
"""Python files that are read at most."""
MAX_SOURCE_BYTES = 4 * 1024 * 1024
"""Longest Python file that is read."""
MAX_SOURCES_BYTES = 64 * 1024 * 1024
"""Bytes of Python files that are read at most, together."""


class _BoundedReads:
    """A file that refuses to be read in large pieces, or without end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reads = 0

    def read(self, size: int) -> bytes:
        self._reads += 1
        if not 0 <= size <= MAX_HEADER_BYTES or self._reads > MAX_READS:
            problem = f"it has a header of {size} bytes; expected at most {MAX_HEADER_BYTES}"
            raise ArchiveInvalid(problem)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def check_archive(file: BinaryIO, entrypoint_file: str) -> None:
    """Checks that a tar opens, holds regular files and directories below one directory, and the entrypoint.

    Raises:
        ArchiveInvalid: it does not; the message says what is wrong.
    """
    files: set[str] = set()
    directories: set[str] = set()
    for entry in _entries(file):
        path = _checked_path(entry)
        _check_kind(entry)
        parents = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)]
        if path in files or (path in directories and entry.isfile()) or any(parent in files for parent in parents):
            problem = f"{path!r} is in it twice"
            raise ArchiveInvalid(problem)
        directories.update(parents)
        (files if entry.isfile() else directories).add(path)
    if entrypoint_file not in files:
        problem = f"the entrypoint's file {entrypoint_file!r} is not in it"
        raise ArchiveInvalid(problem)


def read_python_sources(file: BinaryIO) -> dict[str, str]:
    """Returns the Python files of a checked archive, by path.

    Those too long, too many or not UTF-8 are left out: what would need them is reported as missing.
    """
    sources: dict[str, str] = {}
    left = MAX_SOURCES_BYTES
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for entry in tar:
            if not entry.isfile() or not entry.name.endswith(".py") or entry.size > min(left, MAX_SOURCE_BYTES):
                continue
            if len(sources) == MAX_SOURCES:
                break
            left -= entry.size
            content = tar.extractfile(entry)
            if content is None:
                continue
            with content:
                try:
                    sources[entry.name] = content.read().decode("utf-8")
                except UnicodeDecodeError:
                    continue
    return sources


def _entries(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=cast("BinaryIO", _BoundedReads(file)), mode="r:") as tar:
            for count, entry in enumerate(tar, 1):
                if count > MAX_ENTRIES:
                    problem = f"it has more than {MAX_ENTRIES} entries"
                    raise ArchiveInvalid(problem)
                # Else the reader keeps them all.
                tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue] - typeshed does not know it
                yield entry
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        problem = f"it is not an uncompressed tar: {error}"
        raise ArchiveInvalid(problem) from error


def _checked_path(entry: tarfile.TarInfo) -> str:
    path = entry.name.rstrip("/") if entry.isdir() else entry.name
    parts = path.split("/")
    if len(path) > MAX_PATH:
        problem = f"a path has {len(path)} characters; expected at most {MAX_PATH}"
        raise ArchiveInvalid(problem)
    if (
        any(part in ("", ".", "..") for part in parts)
        or any(c in path for c in ("\\", "\0", ":"))
        or not path.isprintable()
    ):
        problem = f"{path!r} is not a plain relative path"
        raise ArchiveInvalid(problem)
    return path


def _check_kind(entry: tarfile.TarInfo) -> None:
    if entry.issym() or entry.islnk():
        problem = f"{entry.name!r} is a link; expected files and directories only"
        raise ArchiveInvalid(problem)
    if not (entry.isfile() or entry.isdir()) or entry.issparse():
        problem = f"{entry.name!r} is a device or another special file; expected files and directories only"
        raise ArchiveInvalid(problem)
