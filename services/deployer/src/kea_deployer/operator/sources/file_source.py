"""Files of the operator's machine, below directories that all users may read."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.settings import SourceSettings
from kea_deployer.operator.sources.address import FileAddress
from kea_deployer.operator.sources.download import Download, SourceFile

CHUNK_BYTES = 4 * 1024 * 1024


class FileSource:
    """Reads files."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    async def stamp(self, address: FileAddress) -> str:
        """Returns what changes with the content of a file.

        Raises:
            Problem: it is not there, or not where files may be read.
        """
        found = await asyncio.to_thread(lambda: self._real(address).stat())
        return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"

    async def fetch(self, address: FileAddress, to: Path) -> SourceFile:
        """Writes the content of a file to another.

        Raises:
            Problem: it cannot be had, or is too large.
        """
        path = await asyncio.to_thread(self._real, address)
        download = Download(to, self._settings.max_bytes, str(address.path))
        try:
            file = await asyncio.to_thread(path.open, "rb")
            try:
                async with download:
                    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                        await download.write(chunk)
            finally:
                await asyncio.to_thread(file.close)
        except OSError as error:
            raise _missing(address, error.strerror or str(error)) from error
        return download.finished()

    def _real(self, address: FileAddress) -> Path:
        """Returns where the file really is: links must not lead out of the directories either."""
        try:
            path = address.path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise _missing(address, getattr(error, "strerror", "") or str(error)) from error
        if not any(path.is_relative_to(Path(root).resolve()) for root in self._settings.file_roots):
            below = ", ".join(self._settings.file_roots)
            raise Problem(Reason.SOURCE_REFUSED, f"{address.path} leads out of {below}; expected a file below")
        if not path.is_file():
            raise _missing(address, "it is no file")
        return path


def _missing(address: FileAddress, why: str) -> Problem:
    return Problem(Reason.SOURCE_NOT_FOUND, f"file {address.path} cannot be read: {why}", passing=True)
