"""Unpacks what was fetched: a model's file as it is, an archive's files into a directory, nothing outside of it."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason

MOST_ENTRIES = 20_000
MOST_DIRECTORY_BYTES = 16 * 1024 * 1024
"""Longest list of contents of a zip, which its reader takes whole into memory."""
ELSEWHERE = 0xFFFFFFFF
"""What stands for a number of a zip that has more than 32 bits, and is told in another place."""
TAR_OVERHEAD_BYTES = 64 * 1024 * 1024
"""Most that a tar is larger than what is in it, for as many entries as are taken."""
MOST_PATH = 1024
CHUNK_BYTES = 1024 * 1024
TARS = (".tar", ".tar.gz", ".tgz")
_SKIPPED = ("__MACOSX", "__pycache__", ".DS_Store", ".git")


def unpack(file: Path, to: Path, max_bytes: int) -> dict[str, Path]:
    """Returns the files of what was fetched, by their paths in the archive, or the only one by its name.

    A directory that holds all the rest is left out of the paths.

    Raises:
        Problem: it cannot be unpacked, or holds what no model needs: links, devices, paths that lead elsewhere.
    """
    name = file.name.lower()
    if not name.endswith((*TARS, ".zip")):
        return {file.name: file}
    to.mkdir()
    try:
        with ExitStack() as stack:
            entries = _of_zip(file, stack) if name.endswith(".zip") else _of_tar(file, to, stack, max_bytes)
            files = _written(entries, to, max_bytes)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise Problem(Reason.ARTIFACT_INVALID, f"{file.name} cannot be unpacked: {error}") from error
    if not files:
        raise Problem(Reason.ARTIFACT_INVALID, f"{file.name} holds no files; expected a model")
    return _without_common_directory(files)


def _of_tar(file: Path, scratch: Path, stack: ExitStack, max_bytes: int) -> Iterator[tuple[str, IO[bytes]]]:
    plain = file
    if not file.name.lower().endswith(".tar"):
        plain = scratch / "plain.tar"
        stack.callback(plain.unlink, missing_ok=True)
        _gunzip(file, plain, max_bytes + TAR_OVERHEAD_BYTES)
    opened = stack.enter_context(plain.open("rb"))
    bounded = cast("IO[bytes]", _BoundedReads(opened))
    tar = stack.enter_context(tarfile.open(fileobj=bounded, mode="r:"))  # noqa: SIM115 - closed with the stack
    for count, entry in enumerate(tar, 1):  # which keeps them all
        if count > MOST_ENTRIES:
            raise Problem(Reason.ARTIFACT_INVALID, f"{file.name} holds more than {MOST_ENTRIES} entries")
        if entry.isdir():
            continue
        if not entry.isreg() or entry.issparse():
            raise Problem(
                Reason.ARTIFACT_INVALID,
                f"{entry.name!r} in {file.name} is a link or a special file; expected regular files",
            )
        content = tar.extractfile(entry)
        if content is not None:
            yield entry.name, content


def _gunzip(file: Path, to: Path, most: int) -> None:
    with gzip.open(file, "rb") as source, to.open("wb") as target:
        while chunk := source.read(CHUNK_BYTES):
            most -= len(chunk)
            if most < 0:
                raise Problem(Reason.ARTIFACT_INVALID, f"{file.name} unpacks to too many bytes")
            target.write(chunk)


def _of_zip(file: Path, stack: ExitStack) -> Iterator[tuple[str, IO[bytes]]]:
    if _directory_bytes(file) > MOST_DIRECTORY_BYTES:
        raise Problem(Reason.ARTIFACT_INVALID, f"{file.name} holds more than {MOST_ENTRIES} entries")
    archive = stack.enter_context(zipfile.ZipFile(file))
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        kind = entry.external_attr >> 28  # of Unix's mode; 0 where the archive was made elsewhere
        if kind not in (0, 0o10):
            raise Problem(
                Reason.ARTIFACT_INVALID,
                f"{entry.filename!r} in {file.name} is a link or a special file; expected regular files",
            )
        with archive.open(entry) as content:
            yield entry.filename, content


def _directory_bytes(file: Path) -> int:
    """Returns the size of a zip's list of contents, as its end tells (APPNOTE 4.3.14 and 4.3.16); 0 for no zip."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 2 * 65_536))  # behind the end there may be a comment
        tail = opened.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 16 > len(tail):
        return 0
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    wide = tail.rfind(b"PK\x06\x06", 0, end)
    if size == ELSEWHERE and wide >= 0:
        return int.from_bytes(tail[wide + 40 : wide + 48], "little")
    return size


class _BoundedReads:
    """A file that refuses to be read in large pieces: tar readers take extended headers whole into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= CHUNK_BYTES:
            raise Problem(
                Reason.ARTIFACT_INVALID, f"the archive has a header of {size} bytes; expected at most {CHUNK_BYTES}"
            )
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _written(entries: Iterator[tuple[str, IO[bytes]]], to: Path, max_bytes: int) -> dict[str, Path]:
    files: dict[str, Path] = {}
    left = max_bytes
    for count, (name, content) in enumerate(entries, 1):
        if count > MOST_ENTRIES:
            raise Problem(Reason.ARTIFACT_INVALID, f"the archive holds more than {MOST_ENTRIES} files")
        parts = _parts(name)
        if set(parts) & set(_SKIPPED):
            continue
        path = to.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as target:
            while chunk := content.read(CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    raise Problem(Reason.ARTIFACT_INVALID, f"the archive unpacks to more than {max_bytes} bytes")
                target.write(chunk)
        files["/".join(parts)] = path
    return files


def _parts(name: str) -> list[str]:
    """Returns the parts of a path that leads nowhere but down."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    bad = name.startswith("/") or ".." in parts or "\\" in name or ":" in name or not name.isprintable()
    if bad or not parts or len(name) > MOST_PATH:
        raise Problem(
            Reason.ARTIFACT_INVALID, f"{name[:100]!r} is no path of a file in an archive; expected a plain relative one"
        )
    return parts


def _without_common_directory(files: dict[str, Path]) -> dict[str, Path]:
    first = {name.partition("/")[0] for name in files}
    if len(first) == 1 and all("/" in name for name in files):
        return {name.partition("/")[2]: path for name, path in files.items()}
    return files
