"""Archives' bytes on any file system that fsspec knows.

`{root}/incoming/{uuid}` while an archive is received, `{root}/{sha256[:2]}/{sha256}` once it is whole and checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import fsspec.core
from fsspec.implementations.local import LocalFileSystem

from kea_registry.domain.errors import ArtifactCorrupt, ArtifactStoreUnavailable, UploadExpired
from kea_registry.store.blocking import Blocking

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024
"""Bytes sent at once."""
THREADS = 8
"""Calls to the file system at once."""


class FsspecArtifacts:
    """`Artifacts` at an fsspec URL."""

    def __init__(self, url: str, *, threads: int = THREADS) -> None:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
        self._fs, root = found
        self._root = root.rstrip("/")
        self._blocking = Blocking(threads)
        self.local = isinstance(self._fs, LocalFileSystem)

    async def open(self) -> None:
        """Makes the directories, for nobody else to read where that can be said."""
        await self._blocking.run(self._make_directory, f"{self._root}/incoming")

    @asynccontextmanager
    async def receive(self) -> AsyncGenerator[FsspecIncoming, None]:
        """Begins to receive an archive."""
        path = f"{self._root}/incoming/{uuid.uuid4().hex}"
        with _unavailable():
            file = await self._blocking.run(self._fs.open, path, "wb")
        incoming = FsspecIncoming(self, path, file)
        try:
            yield incoming
        finally:
            await self._blocking.run(incoming.discard)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        """Yields an archive."""
        try:
            with _unavailable():
                file = await self._blocking.run(self._fs.open, self._place(sha256), "rb")
        except FileNotFoundError as error:
            problem = "it is missing"
            raise ArtifactCorrupt(sha256, problem) from error
        digest = hashlib.sha256()
        try:
            with _unavailable():
                while chunk := await self._blocking.run(file.read, CHUNK_BYTES):
                    digest.update(chunk)
                    yield chunk
        finally:
            await self._blocking.run(file.close)
        if digest.hexdigest() != sha256:
            problem = f"it has SHA-256 {digest.hexdigest()}"
            raise ArtifactCorrupt(sha256, problem)

    async def remove(self, sha256: str) -> None:
        """Removes an archive."""
        with _unavailable():
            await self._blocking.run(self._remove, self._place(sha256))

    async def sweep_incoming(self, before: datetime) -> None:
        """Removes what was received and not written to since."""
        with _unavailable():
            await self._blocking.run(self._sweep, before)

    def move(self, source: str, sha256: str) -> None:
        """Moves a received archive to its place. Blocks."""
        target = self._place(sha256)
        directory = target.rpartition("/")[0]
        self._make_directory(directory)
        if not self.local:
            self._fs.mv(source, target)
            return
        Path(source).replace(target)
        _sync(Path(directory))
        _sync(Path(self._root))

    async def run(self, call: Callable[[], T]) -> T:
        """Runs a call of an archive that is being received.

        Raises:
            UploadExpired: it has been swept away.
        """
        try:
            with _unavailable():
                return await self._blocking.run(call)
        except FileNotFoundError as error:
            raise UploadExpired from error

    def reopen(self, path: str) -> BinaryIO:
        """Opens what was received. Blocks."""
        return self._fs.open(path, "rb")

    def discard(self, path: str) -> None:
        """Removes what was received, where it is still there. Blocks."""
        self._remove(path)

    def _place(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def _make_directory(self, path: str) -> None:
        if self.local:
            Path(self._root).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fs.makedirs(path, exist_ok=True)

    def _remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(path)

    def _sweep(self, before: datetime) -> None:
        try:
            paths = self._fs.ls(f"{self._root}/incoming", detail=False, refresh=True)
        except FileNotFoundError:
            return
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                modified = self._fs.modified(path)
                if (modified if modified.tzinfo else modified.replace(tzinfo=UTC)) < before:
                    self._fs.rm_file(path)


class FsspecIncoming:
    """`Incoming` at an fsspec URL."""

    def __init__(self, artifacts: FsspecArtifacts, path: str, file: Any) -> None:
        self._artifacts = artifacts
        self._path = path
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    async def write(self, chunk: bytes) -> None:
        """Takes the next bytes."""

        def write() -> None:
            self._file.write(chunk)
            self._digest.update(chunk)

        await self._artifacts.run(write)
        self._size += len(chunk)

    async def finish(self) -> tuple[str, int]:
        """Ends writing."""
        await self._artifacts.run(self._close)
        return self._digest.hexdigest(), self._size

    async def inspect(self, look: Callable[[BinaryIO], T]) -> T:
        """Calls `look` with what was written."""

        def inspect() -> T:
            with self._artifacts.reopen(self._path) as file:
                return look(file)

        return await self._artifacts.run(inspect)

    async def keep(self, sha256: str) -> None:
        """Moves it to its place."""
        await self._artifacts.run(lambda: self._artifacts.move(self._path, sha256))

    def discard(self) -> None:
        """Removes it, where it was not kept. Blocks."""
        with contextlib.suppress(OSError):  # a broken store cannot flush; what matters is that nothing stays
            self._file.close()
        with contextlib.suppress(OSError):
            self._artifacts.discard(self._path)

    def _close(self) -> None:
        if self._file.closed:
            return
        self._file.flush()
        if self._artifacts.local:
            os.fsync(self._file.fileno())
        self._file.close()


def _sync(directory: Path) -> None:
    """Makes a rename in a directory outlive a loss of power, as the database's commit does."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _unavailable() -> Generator[None, None, None]:
    """Lets callers know that it is the store's fault; that a file is missing they know better themselves."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArtifactStoreUnavailable from error
