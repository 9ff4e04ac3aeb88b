"""A segment: one file of a chain, from its head to its foot or to where writing has come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from kea_auth.audit.record import (
    FOOT_PAYLOAD_BYTES,
    HASH_BYTES,
    HEADER,
    Header,
    Kind,
    RecordBrokenError,
    RecordTornError,
    chained,
    read_header,
    unpacked,
)

SUFFIX = ".audit"
DIGITS = 12
BUFFER_BYTES = 1024 * 1024
FOOT_BYTES = HEADER.size + FOOT_PAYLOAD_BYTES + HASH_BYTES


@dataclass(frozen=True, slots=True)
class Record:
    """A record and where it is."""

    header: Header
    payload: bytes
    hash: bytes
    offset: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + self.header.size

    def content(self) -> bytes:
        """Returns a batch as it was received.

        Raises:
            RecordBrokenError: it cannot be unpacked.
        """
        return unpacked(self.payload, deflated=self.header.deflated)

    def document(self) -> dict[str, Any]:
        """Returns what a record that is no batch says."""
        return dict(json.loads(self.payload))


@dataclass(slots=True)
class Walk:
    """What going through a segment, record by record, has found: all before `end` is chained as it should be."""

    number: int
    """The segment, by its name."""
    previous: bytes = b""
    """The hash its head goes on from, as it says."""
    hash: bytes = b""
    """Hash of the last good record."""
    end: int = 0
    """Where the first byte is that is of no good record."""
    size: int = 0
    """Bytes of the file."""
    batches: int = 0
    events: int = 0
    oldest: int = 0
    newest: int = 0
    received: int = 0
    """When the last good record was written."""
    begun: int = 0
    """When the segment was begun."""
    closed: bool = False
    problem: str = ""
    """What is wrong at `end`. Empty: nothing."""
    torn: bool = False
    """Whether what is behind `end` is what a write that was cut off leaves."""
    retired: dict[str, Any] | None = None
    """The last thing it says about segments that have been deleted."""
    after: dict[str, Any] | None = None
    """What its head says about damage that was found before it."""
    hashes: list[bytes] = field(default_factory=list)
    """Of all good records."""

    def note(self, record: Record) -> None:
        """Takes in the next record, which is good."""
        header = record.header
        self.hash, self.end = record.hash, record.end
        self.received = header.received
        self.hashes.append(record.hash)
        if header.kind is Kind.BATCH:
            self.batches += 1
            self.events += header.events
            self.oldest = min(self.oldest or header.oldest, header.oldest)
            self.newest = max(self.newest, header.newest)
        elif header.kind is Kind.RETIRED:
            self.retired = record.document()
        elif header.kind is Kind.FOOT:
            self.closed = True


def segment_path(directory: Path, number: int) -> Path:
    """Returns where a segment of a chain is."""
    return directory / f"{number:0{DIGITS}d}{SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """Returns the numbers of the segments of a chain, ascending."""
    return sorted(
        int(path.stem) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit() and len(path.stem) == DIGITS
    )


def walk(path: Path, *, limit: int | None = None) -> Walk:
    """Goes through a segment and checks every hash.

    Args:
        path: of its file.
        limit: bytes of it that are there for sure, where it is being written; None: all.
    """
    found = Walk(int(path.stem))
    with path.open("rb", buffering=BUFFER_BYTES) as file:
        found.size = _size(file) if limit is None else limit
        try:
            head = read_record(file, 0, found.size)
            _begin(found, head)
            while found.end < found.size:
                _next(found, read_record(file, found.end, found.size))
        except RecordTornError as error:
            found.problem, found.torn = str(error), True
        except (RecordBrokenError, ValueError, KeyError, TypeError) as error:
            found.problem = str(error) if isinstance(error, RecordBrokenError) else "it is not what it should say"
            found.torn = _is_zero(file, found.end)
    return found


def foot(path: Path) -> Header | None:
    """Returns the header of a closed segment's foot, which sums it up; None where it is not closed. Unchecked."""
    with path.open("rb", buffering=0) as file:
        size = _size(file)
        if size < FOOT_BYTES:
            return None
        file.seek(size - FOOT_BYTES)
        try:
            header = read_header(file.read(HEADER.size))
        except RecordBrokenError:
            return None
    return header if header.kind is Kind.FOOT and header.length == FOOT_PAYLOAD_BYTES else None


def headers(file: IO[bytes], size: int) -> Iterator[tuple[int, Header]]:
    """Yields where records begin, and their headers, unchecked; ends where there is none."""
    offset = 0
    while offset + HEADER.size <= size:
        file.seek(offset)
        try:
            header = read_header(file.read(HEADER.size))
        except RecordBrokenError:
            return
        if offset + header.size > size:
            return
        yield offset, header
        offset += header.size


def read_record(file: IO[bytes], offset: int, size: int) -> Record:
    """Returns the record at an offset, unchecked.

    Raises:
        RecordTornError: the file ends within it.
        RecordBrokenError: there is none.
    """
    file.seek(offset)
    header = read_header(file.read(min(HEADER.size, size - offset)))
    if offset + header.size > size:
        problem = f"a record of {header.size} bytes, of which {size - offset} are there"
        raise RecordTornError(problem)
    return Record(header, file.read(header.length), file.read(HASH_BYTES), offset)


def _begin(found: Walk, head: Record) -> None:
    if head.header.kind is not Kind.HEAD:
        problem = "it does not begin with its head"
        raise RecordBrokenError(problem)
    said = head.document()
    found.previous = bytes.fromhex(said["previous"])
    if head.hash != chained(found.previous, head.header.to_bytes(), head.payload):
        problem = "its head is not what was written"
        raise RecordBrokenError(problem)
    if said["segment"] != found.number:
        problem = f"it is segment {said['segment']} by what it says"
        raise RecordBrokenError(problem)
    found.note(head)
    found.begun = head.header.received
    found.after = said.get("after")


def _next(found: Walk, record: Record) -> None:
    if record.hash != chained(found.hash, record.header.to_bytes(), record.payload):
        problem = "a record is not what was written"
        raise RecordBrokenError(problem)
    if found.closed:
        problem = "something follows its foot"
        raise RecordBrokenError(problem)
    if record.header.kind is Kind.HEAD:
        problem = "a second head"
        raise RecordBrokenError(problem)
    found.note(record)


def _size(file: IO[bytes]) -> int:
    return file.seek(0, 2)


def _is_zero(file: IO[bytes], start: int) -> bool:
    """Returns whether there are only zeros from `start` on: what a power cut leaves of a write."""
    file.seek(start)
    while part := file.read(BUFFER_BYTES):
        if part.strip(b"\0"):
            return False
    return True
