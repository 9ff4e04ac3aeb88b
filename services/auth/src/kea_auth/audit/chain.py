"""Writing a chain: segments in a directory of which one process at a time is the writer.

All of it blocks, and belongs to one thread at a time.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kea_auth.audit.otlp_scan import Scan
from kea_auth.audit.record import FOOT_PAYLOAD_BYTES, NOTHING, Header, Kind, chained, packed
from kea_auth.audit.segment import Walk, segment_numbers, segment_path, walk

log = logging.getLogger(__name__)

MOST_CHAINS = 1000
LOCK = "writer.lock"


class ChainTakenError(Exception):
    """Another process writes this chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a chain and its segments may be."""

    segment_bytes: int = 32 * 1024 * 1024
    """A segment that is larger is closed."""
    segment_nanoseconds: int = 24 * 3600 * 10**9
    """A segment that is older is closed."""
    retention_nanoseconds: int = 90 * 24 * 3600 * 10**9
    """Segments of which the last record is older are deleted."""
    max_bytes: int = 10 * 1024**3
    """The oldest segments are deleted where all of them are larger."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a chain is written and safe on the disk."""

    segment: int
    end: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Events as they were received, and what is known of them."""

    content: bytes
    scan: Scan
    received: int


@dataclass(frozen=True, slots=True)
class Retired:
    """What was deleted."""

    segments: int = 0
    early_events: int = 0
    """Events younger than the retention, deleted because there was no room."""


class Chain:
    """The one writer of a directory.

    Args:
        directory: of the chain; made where it is missing.
        limits: how large it may be.
        now: nanoseconds since 1970.

    Raises:
        ChainTakenError: another process writes it.
    """

    def __init__(self, directory: Path, limits: Limits, now: Callable[[], int]) -> None:
        self.directory = directory
        self._limits = limits
        self._now = now
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ChainTakenError(directory.name) from error
        self._file = -1
        self._segment = self._end = 0
        self._hash = NOTHING
        self._first = Walk(0)
        self._begun = self._time = 0
        self._events = self._batches = self._oldest = self._newest = 0
        self.position = Position(0, 0, NOTHING)
        try:
            self._resume()
        except BaseException:
            self.close()
            raise

    def write(self, batches: Sequence[Batch]) -> None:
        """Appends batches; once this returns they are on the disk.

        Raises:
            OSError: they are not, or not surely; what was written of them is cut off, or chained as it should be.
        """
        if self._file < 0:
            self._resume()
        try:
            for batch in batches:
                self._append_batch(batch)
            os.fdatasync(self._file)
        except OSError:
            self._abandon()
            raise
        self._committed()
        if self._end >= self._limits.segment_bytes:
            try:
                self._roll()
            except OSError:  # what was to be written is; the next write tries again
                log.exception("audit segment not closed")

    def upkeep(self) -> Retired:
        """Closes a segment that is old enough, and deletes those that are too old or too many."""
        if self._file < 0:
            self._resume()
        if not os.fstat(self._file).st_nlink:
            log.error("audit segment was deleted by others", extra={"segment": self._segment})
            os.close(self._file)
            self._begin(self._segment + 1, self._hash, {"segment": self._segment, "offset": 0, "problem": "deleted"})
        if self._batches and self._now() - self._begun >= self._limits.segment_nanoseconds:
            self._roll()
        return self._retire()

    def close(self) -> None:
        """Lets another process write the chain."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _append_batch(self, batch: Batch) -> None:
        payload, deflated = packed(batch.content)
        oldest, newest = batch.scan.oldest or batch.received, batch.scan.newest or batch.received
        self._time = max(self._time, batch.received)
        self._append(Header(Kind.BATCH, len(payload), batch.scan.events, self._time, oldest, newest, deflated), payload)
        self._batches += 1
        self._events += batch.scan.events
        self._oldest, self._newest = min(self._oldest or oldest, oldest), max(self._newest, newest)

    def _append(self, header: Header, payload: bytes) -> None:
        head = header.to_bytes()
        self._hash = chained(self._hash, head, payload)
        self._end += _write_all(self._file, head + payload + self._hash)

    def _append_document(self, kind: Kind, document: dict[str, Any]) -> None:
        payload = json.dumps(document).encode()
        self._time = max(self._time, self._now())
        self._append(Header(kind, len(payload), received=self._time), payload)

    def _append_foot(self) -> None:
        payload = json.dumps({"batches": self._batches}).encode().ljust(FOOT_PAYLOAD_BYTES)
        self._time = max(self._time, self._now())
        self._append(Header(Kind.FOOT, len(payload), self._events, self._time, self._oldest, self._newest), payload)

    def _committed(self) -> None:
        self.position = Position(self._segment, self._end, self._hash)

    def _abandon(self) -> None:
        """Lets go of the file after a write has failed: what is in it is found out before the next."""
        with suppress(OSError):
            # What was not acknowledged is best not there: it will be sent again.
            os.ftruncate(self._file, self.position.end)
        with suppress(OSError):
            os.close(self._file)
        self._file = -1

    def _roll(self) -> None:
        try:
            self._append_foot()
            os.fdatasync(self._file)
        except OSError:
            self._abandon()
            raise
        os.close(self._file)
        self._file = -1
        self._committed()
        # In the process's log too, which is kept elsewhere: whoever writes the whole chain anew cannot change that.
        told = {"chain": self.directory.name, "segment": self._segment, "hash": self._hash.hex()}
        log.info("audit segment closed", extra=told | {"events": self._events})
        self._begin(self._segment + 1, self._hash, None)

    def _resume(self) -> None:
        """Goes on where the chain ends; what a write that was cut off has left is cut off too."""
        numbers = segment_numbers(self.directory)
        if not numbers:
            self._begin(1, NOTHING, None)
            return
        last = walk(segment_path(self.directory, numbers[-1]))
        self._time = max(self._time, last.received)
        if last.problem and not last.torn:
            # Damage, by whomever: it stays as it is for everyone to see, and the chain goes on behind it.
            log.error("audit segment is damaged", extra={"segment": last.number, "problem": last.problem})
            damage = {"segment": last.number, "offset": last.end, "problem": last.problem}
            self._begin(last.number + 1, last.hash or NOTHING, damage)
        elif last.closed:
            self._begin(last.number + 1, last.hash, None)
        else:
            self._reopen(last)

    def _reopen(self, last: Walk) -> None:
        path = segment_path(self.directory, last.number)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if last.end < last.size:
            log.warning(
                "unfinished audit record cut off", extra={"segment": last.number, "bytes": last.size - last.end}
            )
            os.ftruncate(self._file, last.end)
            os.fsync(self._file)
        self._segment, self._end, self._hash = last.number, last.end, last.hash
        self._begun, self._batches, self._events = last.begun, last.batches, last.events
        self._oldest, self._newest = last.oldest, last.newest
        self._committed()

    def _begin(self, number: int, previous: bytes, damage: dict[str, Any] | None) -> None:
        """Makes the next segment: it appears with its head whole, or not at all."""
        path = segment_path(self.directory, number)
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._file, self._segment, self._end, self._hash = file, number, 0, previous
        self._events = self._batches = self._oldest = self._newest = 0
        said = {"chain": self.directory.name, "segment": number, "previous": previous.hex()}
        try:
            self._append_document(Kind.HEAD, said | ({"after": damage} if damage else {}))
            os.fsync(file)
            draft.rename(path)
            _sync_directory(self.directory)
        except OSError:
            os.close(file)
            self._file = -1
            raise
        self._begun = self._time
        self._committed()

    def _retire(self) -> Retired:
        """Deletes the oldest segments. That it does so is written into the chain first, with the hash they end with."""
        numbers = segment_numbers(self.directory)[:-1]
        sizes = {number: segment_path(self.directory, number).stat().st_size for number in numbers}
        too_much = sum(sizes.values()) + self._end - self._limits.max_bytes
        young = self._now() - self._limits.retention_nanoseconds
        going: list[Walk] = []
        early = 0
        for number in numbers:
            found = self._first if self._first.number == number else walk(segment_path(self.directory, number))
            old = found.received < young
            if not old and too_much <= 0:
                self._first = found  # asked for again and again, until it is old
                break
            early += 0 if old else found.events
            too_much -= sizes[number]
            going.append(found)
        if not going:
            return Retired()
        last = going[-1]
        self._append_document(
            Kind.RETIRED,
            {"through": last.number, "hash": last.hash.hex(), "events": sum(found.events for found in going)},
        )
        os.fdatasync(self._file)
        self._committed()
        for found in going:
            segment_path(self.directory, found.number).unlink()
        _sync_directory(self.directory)
        log.info("audit segments deleted", extra={"through": last.number, "hash": last.hash.hex()})
        return Retired(len(going), early)


def open_chain(directory: Path, limits: Limits, now: Callable[[], int]) -> Chain:
    """Returns the writer of the first chain that no other process writes; a process that is back goes on with its own.

    Raises:
        OSError: the directory cannot be written.
    """
    for number in range(MOST_CHAINS):
        with suppress(ChainTakenError):
            return Chain(directory / f"{number:03d}", limits, now)
    problem = f"{directory} has {MOST_CHAINS} writers"
    raise OSError(problem)


def chains(directory: Path) -> list[Path]:
    """Returns the directories of all chains, by name."""
    return sorted(path for path in directory.glob("[0-9][0-9][0-9]") if path.is_dir())


def _write_all(file: int, content: bytes) -> int:
    done = 0
    while done < len(content):
        done += os.write(file, memoryview(content)[done:])
    return done


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
