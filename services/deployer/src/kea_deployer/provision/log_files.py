"""What replicas wrote: a file for each, kept by its guard (`kea_core.lifeline`), and one of the deployer's words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kea_core.lifeline import MAX_LINE_BYTES, OLDER, STAMP_LENGTH

from kea_deployer.domain.log_line import LogLine

SUFFIX = ".log"
OWN = "deployer"
"""Name of the deployer's own file in a deployment's directory; replicas' ids are hexadecimal."""
LOOK_SECONDS = 0.1
READ_BYTES = 1024 * 1024
"""Most bytes read of one file at once."""
KEPT_FILES = 16
"""Files kept of replicas that are gone."""


@dataclass(frozen=True, slots=True)
class _Position:
    """How far one file has been read."""

    inode: int
    offset: int


class LogFiles:
    """Implements `kea_deployer.domain.ports.Logs`. A deployment is known by its key.

    Args:
        root: a directory per deployment lies in it.
        max_bytes: size at which a file is begun anew; as much again is kept of what came before.
    """

    def __init__(self, root: Path, *, max_bytes: int) -> None:
        self._root = root
        self.max_bytes = max_bytes

    def file(self, key: str, replica: str) -> Path:
        """Returns where a replica's lines are kept; the directory is made."""
        directory = self._root / key
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory / f"{replica}{SUFFIX}"

    def note(self, key: str, text: str) -> None:
        """Adds a line of the deployer's own; where the disk is full, it is lost."""
        stamp = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00").encode()
        lines = text.encode(errors="replace").split(b"\n")
        with contextlib.suppress(OSError):
            path = self.file(key, OWN)
            if path.exists() and path.stat().st_size > self.max_bytes:
                path.replace(f"{path}{OLDER}")
            with path.open("ab") as file:
                file.write(b"".join(stamp + b"Z " + line[:MAX_LINE_BYTES] + b"\n" for line in lines))

    def remove(self, key: str) -> None:
        """Removes all of a deployment's lines."""
        shutil.rmtree(self._root / key, ignore_errors=True)

    def keep(self, keys: Collection[str]) -> None:
        """Removes the lines of all other deployments: a deployer may be killed between forgetting one and its lines."""
        if self._root.is_dir():
            for directory in self._root.iterdir():
                if directory.name not in keys:
                    self.remove(directory.name)

    def prune(self, key: str, replicas: Iterable[str]) -> None:
        """Removes the files of replicas that are gone, but for the newest."""
        kept = {OWN, *replicas}
        with contextlib.suppress(FileNotFoundError):
            gone = [path for path in (self._root / key).glob(f"*{SUFFIX}") if path.stem not in kept]
            for path in sorted(gone, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_FILES:]:
                path.unlink(missing_ok=True)
                _older(path).unlink(missing_ok=True)

    async def tail(self, key: str, lines: int) -> Sequence[LogLine]:
        """Returns a deployment's last lines, oldest first."""
        found, _ = await asyncio.to_thread(self._tail, key, lines)
        return found

    async def follow(
        self,
        key: str,
        lines: int,
        there: Callable[[], Awaitable[bool]],
        complete: Callable[[], Awaitable[bool]] | None = None,
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Yields the last lines, oldest first, and then those to come.

        Until what writes them is not `there` any more, or all its lines are `complete` and yielded.
        """
        found, positions = await asyncio.to_thread(self._tail, key, lines)
        if found:
            yield found
        # A new deployment has no lines yet; one that is gone has none any more.
        while await asyncio.to_thread((self._root / key).is_dir) or await there():
            last = complete is not None and await complete()  # before reading: what was written until then is read
            found = await asyncio.to_thread(self._news, key, positions)
            if found:
                yield found
            elif last:
                return
            else:
                await asyncio.sleep(LOOK_SECONDS)

    def _tail(self, key: str, lines: int) -> tuple[list[LogLine], dict[str, _Position]]:
        found: list[LogLine] = []
        positions: dict[str, _Position] = {}
        for path in self._files(key):
            block, position = _read(path)
            if position is None:
                continue
            positions[path.name] = position
            of_file = _lines(path.stem, block)
            if len(of_file) < lines:
                before, older = _read(_older(path))
                if older is not None and older.inode != position.inode:  # the same: it was renamed just now
                    of_file = _lines(path.stem, before) + of_file
            found += of_file[-lines:]
        return sorted(found, key=lambda line: line.time)[-lines:], positions

    def _news(self, key: str, positions: dict[str, _Position]) -> list[LogLine]:
        """Returns the lines after `positions`, which move on."""
        found: list[LogLine] = []
        names = {path.name for path in self._files(key)} | positions.keys()
        for path in (self._root / key / name for name in sorted(names)):
            block, position = _read_after(path, positions.pop(path.name, None))
            found += _lines(path.stem, block)
            if position is not None:
                positions[path.name] = position
        return sorted(found, key=lambda line: line.time)

    def _files(self, key: str) -> list[Path]:
        return sorted((self._root / key).glob(f"*{SUFFIX}"))


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}{OLDER}")


def _read(path: Path, since: _Position | None = None) -> tuple[bytes, _Position | None]:
    """Returns whole lines of a file, up to `READ_BYTES`, and where they end; None where there is no such file.

    Without `since` they are the last ones. With it, they are those after that position, and None is also returned where
    the position is in another file.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if since is not None and (status.st_ino != since.inode or status.st_size < since.offset):
                return b"", None
            start = max(0, status.st_size - READ_BYTES) if since is None else since.offset
            file.seek(start)
            block = file.read(READ_BYTES)
    except FileNotFoundError:
        return b"", None
    whole = block[: block.rfind(b"\n") + 1]
    end = start + len(whole)
    if since is None and start:
        whole = whole.partition(b"\n")[2]
    return whole, _Position(status.st_ino, end)


def _read_after(path: Path, since: _Position | None) -> tuple[bytes, _Position | None]:
    """Returns the whole lines after a position, and where they end; the file may have been renamed meanwhile."""
    if since is None:
        since = _begin(path)
        return (b"", None) if since is None else _read(path, since)
    block, position = _read(path, since)
    if position is not None:
        return block, position
    # It was full. What was written to it after the position is read under its other name, then the new one.
    block, position = _read(_older(path), since)
    if block:
        return block, position
    return b"", _begin(path)


def _begin(path: Path) -> _Position | None:
    try:
        return _Position(path.stat().st_ino, 0)
    except FileNotFoundError:
        return None


def _lines(name: str, block: bytes) -> list[LogLine]:
    replica = "" if name == OWN else name
    found: list[LogLine] = []
    for line in block.split(b"\n"):  # no other character ends a line, whatever a program prints
        stamp, text = line[:STAMP_LENGTH], line[STAMP_LENGTH:].rstrip(b"\r")
        if stamp.endswith(b"Z "):  # a line cut by a full disk has no time; it is left out
            with contextlib.suppress(ValueError):
                time = datetime.fromisoformat(stamp.decode(errors="replace").rstrip())
                found.append(LogLine(time, replica, text.decode(errors="replace")))
    return found
