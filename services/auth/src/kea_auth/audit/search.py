"""Finding events: batch by batch, in the order they were received or the reverse, a bounded part of the log a time."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError
from kea.otlp.v1 import logs_pb2

from kea_auth.audit.chain import Position, chains
from kea_auth.audit.decoding import decode
from kea_auth.audit.event import AuditEvent, Filter
from kea_auth.audit.record import HEADER, Kind, RecordBrokenError
from kea_auth.audit.segment import foot, headers, read_record, segment_numbers, segment_path

log = logging.getLogger(__name__)

SECONDS = 0.5
"""How long is searched for one page."""
WHOLE = 2**31
"""An index behind all events of a batch."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an event is; places are in the order of receipt."""

    received: int
    chain: str
    segment: int
    offset: int
    index: int = 0
    """Of the event in its batch, in the order that is asked for."""

    def __str__(self) -> str:
        return f"{self.received}:{self.chain}:{self.segment}:{self.offset}:{self.index}"


def read_place(text: str) -> Place:
    """Returns the place that a text stands for.

    Raises:
        ValueError: it stands for none.
    """
    received, chain, segment, offset, index = text.split(":")
    return Place(int(received), chain, int(segment), int(offset), int(index))


@dataclass(frozen=True, slots=True)
class Found:
    """An event, the log it was received as, and where it is."""

    event: AuditEvent
    record: logs_pb2.LogRecord = field(repr=False)
    place: Place


@dataclass(frozen=True, slots=True)
class Part:
    """What one search has found."""

    found: tuple[Found, ...]
    next: Place | None
    """Where to go on; None: there is no more."""


class Log:
    """All chains of a directory, to read.

    Args:
        directory: of the chains.
        written: name of the chain that this process writes, and how far it is; what is behind is none of the log yet.
    """

    def __init__(self, directory: Path, written: Callable[[], tuple[str, Position]]) -> None:
        self.directory = directory
        self._written = written

    def written(self, chain: Path) -> Position | None:
        """Returns how far this process has written a chain; None where another does."""
        name, position = self._written()
        return position if name == chain.name else None

    def limit(self, chain: Path, segment: int) -> int | None:
        """Returns how many bytes of a segment are there for sure; None: all."""
        position = self.written(chain)
        return position.end if position is not None and position.segment == segment else None

    def search(
        self,
        wanted: Filter,
        *,
        oldest_first: bool,
        after: Place | None,
        most: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Part:
        """Returns up to `most` events; fewer where they are not found quickly."""
        until = monotonic() + SECONDS
        found: list[Found] = []
        seen: set[str] = set()
        last = after
        walks = [self._batches(chain, wanted, after, oldest_first=oldest_first) for chain in chains(self.directory)]
        for place in heapq.merge(*walks, reverse=not oldest_first):
            if last is not after and monotonic() > until:
                return Part(tuple(found), last)
            begin = after.index if after is not None and _batch_of(after) == place else 0
            for index, (event, record) in self._events(place, wanted, oldest_first=oldest_first):
                last = Place(place.received, place.chain, place.segment, place.offset, index + 1)
                if index < begin or not wanted.fits(event) or event.id in seen:
                    continue
                seen.add(event.id)
                found.append(Found(event, record, last))
                if len(found) == most:
                    return Part(tuple(found), last)
            last = Place(place.received, place.chain, place.segment, place.offset, WHOLE)
        return Part(tuple(found), None)

    def _events(
        self, place: Place, wanted: Filter, *, oldest_first: bool
    ) -> Iterator[tuple[int, tuple[AuditEvent, logs_pb2.LogRecord]]]:
        path = segment_path(self.directory / place.chain, place.segment)
        try:
            with path.open("rb", buffering=0) as file:
                content = read_record(file, place.offset, file.seek(0, 2)).content()
            if not all(needle in content for needle in wanted.needles):
                return
            events = list(decode(content))
        except FileNotFoundError:  # its time has come meanwhile
            return
        except (RecordBrokenError, DecodeError):
            log.exception("audit record is damaged", extra={"chain": place.chain, "segment": place.segment})
            return
        yield from enumerate(events if oldest_first else reversed(events))

    def _batches(self, chain: Path, wanted: Filter, after: Place | None, *, oldest_first: bool) -> Iterator[Place]:
        numbers = segment_numbers(chain)
        for number in numbers if oldest_first else reversed(numbers):
            try:
                found = self._in_segment(chain, number, wanted, after, oldest_first=oldest_first)
            except FileNotFoundError:
                continue
            yield from found if oldest_first else reversed(found)

    def _in_segment(
        self, chain: Path, number: int, wanted: Filter, after: Place | None, *, oldest_first: bool
    ) -> list[Place]:
        path = segment_path(chain, number)
        end = foot(path)
        if end is not None:
            if not end.events or not wanted.has_time(end.oldest, end.newest):
                return []
            if after is not None and oldest_first and end.received < after.received:
                return []
        limit = self.limit(chain, number)
        places: list[Place] = []
        with path.open("rb", buffering=HEADER.size) as file:
            for offset, header in headers(file, file.seek(0, 2) if limit is None else limit):
                if after is not None and not oldest_first and header.received > after.received:
                    break  # and so are all behind it
                if header.kind is not Kind.BATCH or not wanted.has_time(header.oldest, header.newest):
                    continue
                place = Place(header.received, chain.name, number, offset)
                if after is None or _is_next(place, after, oldest_first=oldest_first):
                    places.append(place)
        return places


def _batch_of(place: Place) -> Place:
    return Place(place.received, place.chain, place.segment, place.offset)


def _is_next(place: Place, after: Place, *, oldest_first: bool) -> bool:
    """Whether a batch comes after a place, or has it in it and goes on behind it."""
    batch = _batch_of(after)
    if place == batch:
        return after.index < WHOLE
    return place > batch if oldest_first else place < batch
