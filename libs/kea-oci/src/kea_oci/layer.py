"""Layers that are the same bytes for the same files, whoever makes them, when, and where.

A layer is a tar of sorted names (image-spec 1.1, layer.md). Owners, times and the file system's order are not
recorded: all belongs to root, was last changed in 1970, and is readable by everybody. Compressed by zlib, which gives
the same bytes as long as its version is the same; what is not compressed does not depend even on that.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from kea_oci.blob_store import CHUNK_BYTES, BlobStore, DraftBlob
from kea_oci.documents import LAYER_GZIP, LAYER_TAR, Descriptor
from kea_oci.errors import BadImageDocument

_LAYER = "layer"
FILE_MODE = 0o644
PROGRAM_MODE = 0o755
COMPRESSION_LEVEL = 6
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""Tells zlib to write gzip's header, whose time is then 0."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or symbolic link of a layer; directories follow from the names."""

    name: str
    """From the image's root, without a leading slash."""
    content: Path | bytes = b""
    executable: bool = False
    link: str = ""
    """Where a symbolic link points to; empty for a file."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in a blob store."""

    descriptor: Descriptor
    diff_id: str
    """Digest of the tar before compression, which configurations list."""
    comment: str = ""
    """What it is, for the image's history."""


def entries_of(directory: Path, prefix: str) -> Iterator[Entry]:
    """Yields the files and links below a directory, named below `prefix`.

    Raises:
        BadImageDocument: there is something that is neither.
        OSError: the directory, or one in it, cannot be read.
    """
    for place, folders, files in os.walk(directory, onerror=_fail):
        for name in (*files, *(name for name in folders if (Path(place) / name).is_symlink())):
            path = Path(place) / name
            target = PurePosixPath(prefix) / path.relative_to(directory).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                yield Entry(str(target), link=str(path.readlink()))
            elif stat.S_ISREG(mode):
                yield Entry(str(target), path, executable=bool(mode & stat.S_IXUSR))
            else:
                raise BadImageDocument(_LAYER, f"{target} is neither a file nor a symbolic link")


def _fail(error: OSError) -> None:
    raise error


def write_layer(store: BlobStore, entries: Iterable[Entry], *, compress: bool, comment: str = "") -> Layer:
    """Writes a layer. Blocks; it is work for a thread.

    Raises:
        BadImageDocument: two entries have one name, or a name leads out of the image.
    """
    with store.draft() as draft:
        out = _Output(draft, compress=compress)
        with tarfile.open(
            fileobj=cast("IO[bytes]", out), mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK_BYTES
        ) as tar:
            _fill(tar, entries)
        out.finish()
    media_type = LAYER_GZIP if compress else LAYER_TAR
    return Layer(Descriptor(media_type, draft.digest, draft.size), out.diff_id, comment)


def _fill(tar: tarfile.TarFile, entries: Iterable[Entry]) -> None:
    directories: set[str] = set()
    others: set[str] = set()
    for entry in sorted(entries, key=lambda entry: entry.name):
        path = PurePosixPath(entry.name)
        if path.is_absolute() or not path.parts or ".." in path.parts or str(path) != entry.name:
            raise BadImageDocument(_LAYER, f"{entry.name!r} is no path inside an image")
        for parent in reversed(path.parents[:-1]):
            if str(parent) in others:
                raise BadImageDocument(_LAYER, f"{parent} is a file and a directory")
            if str(parent) not in directories:
                directories.add(str(parent))
                tar.addfile(_info(f"{parent}/", tarfile.DIRTYPE, PROGRAM_MODE))
        if entry.name in others or entry.name in directories:
            raise BadImageDocument(_LAYER, f"{entry.name} is there twice")
        others.add(entry.name)
        _add(tar, entry)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    if entry.link:
        info = _info(entry.name, tarfile.SYMTYPE, 0o777)
        info.linkname = entry.link
        tar.addfile(info)
        return
    info = _info(entry.name, tarfile.REGTYPE, PROGRAM_MODE if entry.executable else FILE_MODE)
    if isinstance(entry.content, bytes):
        info.size = len(entry.content)
        tar.addfile(info, io.BytesIO(entry.content))
        return
    with entry.content.open("rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        tar.addfile(info, file)


def _info(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.uid, info.gid, info.uname, info.gname = kind, mode, 0, 0, 0, "", ""
    return info


class _Output:
    """Hashes what is written to it, compresses it, and hands it on."""

    def __init__(self, draft: DraftBlob, *, compress: bool) -> None:
        self._draft = draft
        self._plain = hashlib.sha256()
        self._zlib = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, _GZIP_WINDOW) if compress else None

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._plain.hexdigest()}"

    def write(self, content: bytes) -> int:
        self._plain.update(content)
        self._draft.write(self._zlib.compress(content) if self._zlib else content)
        return len(content)

    def finish(self) -> None:
        if self._zlib:
            self._draft.write(self._zlib.flush())
