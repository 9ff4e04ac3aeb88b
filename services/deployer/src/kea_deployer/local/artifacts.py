"""Models' archives on this machine: fetched from the registry, checked, unpacked, shared by content."""

from __future__ import annotations

import asyncio
import hashlib
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.local.content import Directories


class Archives(Protocol):
    """Where archives come from."""

    def download(self, name: str) -> AsyncIterator[bytes]:
        """Yields a model version's archive."""
        ...


class ArtifactError(Exception):
    """What was fetched is not what it should be."""


class Artifacts:
    """Unpacked archives, each once."""

    def __init__(self, directories: Directories, archives: Archives, *, max_bytes: int) -> None:
        self._directories = directories
        self._archives = archives
        self._max_bytes = max_bytes

    async def get(self, model: ModelVersion) -> Path:
        """Returns the directory with a model version's files.

        Raises:
            ArtifactError: what the registry sent is not the archive of that version.
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
            async for chunk in self._archives.download(name):
                digest.update(chunk)
                size += len(chunk)
                if size > self._max_bytes:
                    problem = f"the archive of {name} is larger than {self._max_bytes} bytes"
                    raise ArtifactError(problem)
                await asyncio.to_thread(file.write, chunk)
        return digest.hexdigest()


def _unpack(archive: Path, directory: Path) -> None:
    """Unpacks what the registry has checked; tarfile's data filter refuses what would leave the directory."""
    try:
        with tarfile.open(archive, mode="r:") as tar:
            tar.extractall(directory, filter="data")
    except tarfile.TarError as error:
        problem = f"the archive cannot be unpacked: {error}"
        raise ArtifactError(problem) from error
