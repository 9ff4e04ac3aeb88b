"""A record of the audit log, as it lies in a file: a header, a payload, and the hash that chains it to all before it.

    hash = SHA-256(hash of the record before || header || payload)

So nothing of a record, not its length and not its time, can be changed without breaking every hash that follows.
"""

from __future__ import annotations

import enum
import hashlib
import struct
import zlib
from dataclasses import dataclass

HEADER = struct.Struct("<BBHIIQQQ")
"""Kind, flags, 0, length of the payload, events in it, when it was received, times of its first and last event."""
HASH_BYTES = 32
NOTHING = bytes(HASH_BYTES)
"""What the first record of a chain follows."""
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
DEFLATED = 1
"""Flag: the payload is packed by zlib."""
DEFLATE_LEVEL = 1
SMALLEST_DEFLATED = 512
FOOT_PAYLOAD_BYTES = 128
"""A foot is as long as any other, so that it is found from a file's end."""
MAX_NANOSECONDS = 2**64 - 1


class Kind(enum.IntEnum):
    """What a record says."""

    HEAD = 1
    """The first of a segment: which it is, and which hash it goes on from."""
    BATCH = 2
    """Events, as they were received."""
    FOOT = 3
    """The last of a segment that is closed: what is in it."""
    RETIRED = 4
    """Which segments have been deleted because of their age or size."""


KINDS = frozenset(int(kind) for kind in Kind)


class RecordBrokenError(Exception):
    """Bytes that are no record; the message says why."""


class RecordTornError(RecordBrokenError):
    """The begin of a record: the rest was not written."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a record without its payload. Times are nanoseconds since 1970."""

    kind: Kind
    length: int
    """Bytes of the payload, as stored."""
    events: int = 0
    received: int = 0
    oldest: int = 0
    newest: int = 0
    deflated: bool = False

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return HEADER.size + self.length + HASH_BYTES

    def to_bytes(self) -> bytes:
        """Returns it as it is stored."""
        flags = DEFLATED if self.deflated else 0
        oldest, newest = (min(time, MAX_NANOSECONDS) for time in (self.oldest, self.newest))
        return HEADER.pack(self.kind, flags, 0, self.length, self.events, self.received, oldest, newest)


def read_header(content: bytes) -> Header:
    """Returns the header that `content` is.

    Raises:
        RecordTornError: there is too little of it.
        RecordBrokenError: it is none.
    """
    if len(content) < HEADER.size:
        problem = f"{len(content)} bytes in place of a header's {HEADER.size}"
        raise RecordTornError(problem)
    kind, flags, zero, length, events, received, oldest, newest = HEADER.unpack(content)
    if kind not in KINDS or flags not in {0, DEFLATED} or zero or length > MAX_PAYLOAD_BYTES:
        problem = "no header of a record"
        raise RecordBrokenError(problem)
    return Header(Kind(kind), length, events, received, oldest, newest, bool(flags))


def chained(previous: bytes, header: bytes, payload: bytes) -> bytes:
    """Returns the hash of a record."""
    digest = hashlib.sha256(previous)
    digest.update(header)
    digest.update(payload)
    return digest.digest()


def packed(payload: bytes) -> tuple[bytes, bool]:
    """Returns a payload as it is stored, and whether it is packed."""
    if len(payload) < SMALLEST_DEFLATED:
        return payload, False
    small = zlib.compress(payload, DEFLATE_LEVEL)
    return (small, True) if len(small) < len(payload) else (payload, False)


def unpacked(payload: bytes, *, deflated: bool) -> bytes:
    """Returns a payload as it was received.

    Raises:
        RecordBrokenError: it cannot be unpacked.
    """
    if not deflated:
        return payload
    unpacking = zlib.decompressobj()
    try:
        whole = unpacking.decompress(payload, MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        problem = "its payload cannot be unpacked"
        raise RecordBrokenError(problem) from error
    if not unpacking.eof:
        problem = "its payload is not whole"
        raise RecordBrokenError(problem)
    return whole
