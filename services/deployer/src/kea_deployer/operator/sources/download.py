"""A file that is being fetched: bounded, and digested on the way."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What was fetched."""

    path: Path
    size: int
    sha256: str


class Download:
    """Writes to a file as much as is allowed.

    Args:
        to: the file, which is made.
        max_bytes: most that is taken.
        what: where it comes from, for people.
    """

    def __init__(self, to: Path, max_bytes: int, what: str) -> None:
        self._path = to
        self._most = max_bytes
        self._what = what
        self._size = 0
        self._digest = hashlib.sha256()

    def expect(self, size: int | None) -> None:
        """Checks a size that is told beforehand.

        Raises:
            Problem: it is too large.
        """
        if size is not None and size > self._most:
            problem = f"{self._what} has {size} bytes; expected at most {self._most}"
            raise Problem(Reason.SOURCE_TOO_LARGE, problem)

    async def __aenter__(self) -> Self:
        self._file: IO[bytes] = await asyncio.to_thread(self._path.open, "wb")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._file.close)

    async def write(self, chunk: bytes) -> None:
        """Takes the next bytes.

        Raises:
            Problem: they are too many.
        """
        self._size += len(chunk)
        self.expect(self._size)
        await asyncio.to_thread(self._take, chunk)

    def finished(self) -> SourceFile:
        """Returns what was written."""
        return SourceFile(self._path, self._size, self._digest.hexdigest())

    def _take(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._file.write(chunk)
