"""Models' archives on this machine: fetched from the registry, checked, unpacked, shared by content."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tarfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Protocol

from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.provision.content import Directories

STALL_SECONDS = 30.0
"""Longest wait for the next piece of an archive."""

COPY_BYTES = 1024 * 1024


class Archives(Protocol):
    """Where archives come from."""

    def download(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yields a model version's archive."""
        ...


class ArtifactError(Exception):
    """What was fetched is not what it should be."""


class ArtifactStalledError(Exception):
    """The registry has begun to send, and stopped."""


class Artifacts:
    """Unpacked archives, each once."""

    def __init__(
        self, directories: Directories, archives: Archives, *, max_bytes: int, stall_seconds: float = STALL_SECONDS
    ) -> None:
        self._directories = directories
        self._archives = archives
        self._max_bytes = max_bytes
        self._stall_seconds = stall_seconds

    async def get(self, model: ModelVersion) -> Path:
        """Returns the directory with a model version's files.

        Raises:
            ArtifactError: what the registry sent is not the archive of that version.
            ArtifactStalledError: the registry stopped sending.
            grpc.aio.AioRpcError: the registry refuses, or does not answer.
        """

        async def make(directory: Path) -> None:
            archive = directory.with_name(f"{directory.name}.tar")  # beside it: inside, a file may have that name
            try:
                digest = await self._fetch(model.name, archive)
                if digest != model.sha256:
                    problem = f"the archive of {model.name} has SHA-256 {digest}; expected {model.sha256}"
                    raise ArtifactError(problem)
                await asyncio.to_thread(_unpack, archive, directory)
            finally:
                archive.unlink(missing_ok=True)

        return await self._directories.get(model.sha256, make)

    async def _fetch(self, name: str, archive: Path) -> str:
        digest, size = hashlib.sha256(), 0
        with archive.open("wb") as file:
            async with aclosing(self._archives.download(name)) as chunks:
                while (chunk := await self._next(chunks)) is not None:
                    digest.update(chunk)
                    size += len(chunk)
                    if size > self._max_bytes:
                        problem = f"the archive of {name} is larger than {self._max_bytes} bytes"
                        raise ArtifactError(problem)
                    await asyncio.to_thread(file.write, chunk)
        return digest.hexdigest()

    async def _next(self, chunks: AsyncGenerator[bytes, None]) -> bytes | None:
        try:
            async with asyncio.timeout(self._stall_seconds):
                return await anext(chunks, None)
        except TimeoutError as error:
            problem = f"the registry sent nothing for {self._stall_seconds:.0f} s"
            raise ArtifactStalledError(problem) from error


def _unpack(archive: Path, directory: Path) -> None:
    """Unpacks an archive of plain files and directories, which is all that the registry lets in.

    Not by `extractall`: its filters, which refuse what would leave the directory, came with Python 3.11.4 only.
    """
    try:
        with tarfile.open(archive, mode="r:") as tar:
            for entry in tar:
                _extract(tar, entry, directory)
    except (tarfile.TarError, ValueError) as error:  # ValueError: a name that no file can have
        problem = f"the archive cannot be unpacked: {error}"
        raise ArtifactError(problem) from error


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, directory: Path) -> None:
    parts = PurePosixPath(entry.name).parts
    content = tar.extractfile(entry) if entry.isreg() else None
    if not parts or ".." in parts or parts[0] == "/" or (content is None and not entry.isdir()):
        problem = f"{entry.name!r} is not a plain file or directory below the archive's own"
        raise ArtifactError(problem)
    path = directory.joinpath(*parts)
    if content is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("xb") as file:
        shutil.copyfileobj(content, file, COPY_BYTES)
