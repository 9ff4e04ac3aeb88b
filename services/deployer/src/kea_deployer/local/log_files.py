"""What replicas wrote: a file for each, kept by its guard (`kea_core.lifeline`), and one of the deployer's words."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
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


@dataclass(slots=True)
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
        with contextlib.suppress(OSError):
            path = self.file(key, OWN)
            if path.exists() and path.stat().st_size > self.max_bytes:
                path.replace(f"{path}{OLDER}")
            stamp = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
            with path.open("a", encoding="utf-8") as file:
                file.writelines(f"{stamp}Z {line[:MAX_LINE_BYTES]}\n" for line in text.splitlines() or [""])

    def remove(self, key: str) -> None:
        """Removes all of a deployment's lines."""
        shutil.rmtree(self._root / key, ignore_errors=True)

    def prune(self, key: str, replicas: Iterable[str]) -> None:
        """Removes the files of replicas that are gone, but for the newest."""
        kept = {OWN, *replicas}
        with contextlib.suppress(FileNotFoundError):
            gone = [path for path in (self._root / key).glob(f"*{SUFFIX}") if path.stem not in kept]
            for path in sorted(gone, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_FILES:]:
                path.unlink(missing_ok=True)
                path.with_name(f"{path.name}{OLDER}").unlink(missing_ok=True)

    async def tail(self, key: str, lines: int) -> Sequence[LogLine]:
        """Returns a deployment's last lines, oldest first."""
        found, _ = await asyncio.to_thread(self._tail, key, lines)
        return found

    async def follow(self, key: str, lines: int) -> AsyncIterator[Sequence[LogLine]]:
        """Yields the last lines, oldest first, and then those to come, until the deployment's logs are gone."""
        found, positions = await asyncio.to_thread(self._tail, key, lines)
        if found:
            yield found
        while await asyncio.to_thread((self._root / key).is_dir):
            found = await asyncio.to_thread(self._news, key, positions)
            if found:
                yield found
            else:
                await asyncio.sleep(LOOK_SECONDS)

    def _tail(self, key: str, lines: int) -> tuple[list[LogLine], dict[str, _Position]]:
        found: list[LogLine] = []
        positions: dict[str, _Position] = {}
        for path in self._files(key):
            block, position = _read_end(path)
            positions[path.name] = position
            of_file = _lines(path.stem, block)
            if len(of_file) < lines:
                of_file = _lines(path.stem, _read_end(path.with_name(f"{path.name}{OLDER}"))[0]) + of_file
            found += of_file[-lines:]
        return sorted(found, key=lambda line: line.time)[-lines:], positions

    def _news(self, key: str, positions: dict[str, _Position]) -> list[LogLine]:
        found: list[LogLine] = []
        for path in self._files(key):
            before = positions.get(path.name)
            with contextlib.suppress(FileNotFoundError):
                inode = path.stat().st_ino
                if before is not None and before.inode != inode:
                    # It was full and has been renamed; what was written to it since is read from there.
                    block, _ = _read_from(path.with_name(f"{path.name}{OLDER}"), before.offset)
                    found += _lines(path.stem, block)
                    before = None
                offset = before.offset if before is not None else 0
                block, end = _read_from(path, offset)
                positions[path.name] = _Position(inode, end)
                found += _lines(path.stem, block)
        return sorted(found, key=lambda line: line.time)

    def _files(self, key: str) -> list[Path]:
        return sorted((self._root / key).glob(f"*{SUFFIX}"))


def _read_end(path: Path) -> tuple[bytes, _Position]:
    """Returns the last whole lines of a file, up to `READ_BYTES`, and where they end."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start = max(0, size - READ_BYTES)
            file.seek(start)
            block = file.read(size - start)
            inode = path.stat().st_ino
    except FileNotFoundError:
        return b"", _Position(0, 0)
    if start:
        block = block.partition(b"\n")[2]
    whole = block.rpartition(b"\n")[0] + b"\n" if b"\n" in block else b""
    return whole, _Position(inode, size - (len(block) - len(whole)))


def _read_from(path: Path, offset: int) -> tuple[bytes, int]:
    """Returns the whole lines after an offset, up to `READ_BYTES`, and where they end."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            block = file.read(READ_BYTES)
    except FileNotFoundError:
        return b"", offset
    whole = block.rpartition(b"\n")[0] + b"\n" if b"\n" in block else b""
    return whole, offset + len(whole)


def _lines(name: str, block: bytes) -> list[LogLine]:
    replica = "" if name == OWN else name
    found: list[LogLine] = []
    for line in block.decode(errors="replace").splitlines():
        stamp, text = line[:STAMP_LENGTH].strip(), line[STAMP_LENGTH:]
        with contextlib.suppress(ValueError):  # a line cut by a full disk has no time; it is left out
            found.append(LogLine(datetime.fromisoformat(stamp), replica, text))
    return found
