"""How long Envoys take to acknowledge what is published."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kea_router.xds.resource import Resource
from kea_router.xds.snapshot import Snapshot
from kea_router.xds.stream import Stream

KEPT = 1000
MOST_RESOURCES = 64
"""A publication of more resources (a start) is not timed: its time says nothing about a change."""
MOST_WAITING = 256
"""Publications timed at once; further ones push out the oldest."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    since: float
    resources: tuple[Resource, ...]
    streams: tuple[Stream, ...]
    """Those that were there at publication: one that comes later takes everything, not this change."""


class Latencies:
    """Times publications until all Envoys that were connected have acknowledged them."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._waiting: deque[_Waiting] = deque(maxlen=MOST_WAITING)
        self._seconds: deque[float] = deque(maxlen=KEPT)

    @property
    def median_seconds(self) -> float:
        """Median of the last 1000; 0 before the first."""
        return statistics.median(self._seconds) if self._seconds else 0.0

    def begin(self, resources: tuple[Resource, ...], streams: Iterable[Stream]) -> None:
        """Notes that something was published."""
        present = tuple(streams)
        if present and 0 < len(resources) <= MOST_RESOURCES:
            self._waiting.append(_Waiting(self._monotonic(), resources, present))

    def end(self, snapshot: Snapshot) -> list[float]:
        """Returns how long those publications took that have been acknowledged since this was last asked."""
        found: list[float] = []
        for _ in range(len(self._waiting)):
            waiting = self._waiting.popleft()
            current = [resource for resource in waiting.resources if snapshot.get(resource.key) is resource]
            pairs = [(stream, resource) for stream in waiting.streams for resource in current]
            if not pairs or any(stream.rejection(r.key, r.version) for stream, r in pairs):
                continue  # refused, or overtaken by what was published since
            if all(stream.has(resource.key, resource.version) for stream, resource in pairs):
                found.append(self._monotonic() - waiting.since)
            else:
                self._waiting.append(waiting)
        self._seconds.extend(found)
        return found

    def leave(self, stream: Stream) -> None:
        """Waits for a stream no longer."""
        left = [(w, tuple(other for other in w.streams if other is not stream)) for w in self._waiting]
        self._waiting.clear()
        self._waiting.extend(_Waiting(w.since, w.resources, streams) for w, streams in left if streams)
