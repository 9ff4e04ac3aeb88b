"""What is published, to whom, and who has taken it."""

from __future__ import annotations

import logging
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from kea_router.xds.resource import Key
from kea_router.xds.snapshot import Change, Snapshot
from kea_router.xds.stream import Stream
from kea_router.xds.subscription import Refusal

log = logging.getLogger(__name__)

KEPT_LATENCIES = 1000
WATCHED_KEYS = 64
"""A publication of more resources (a start) is not timed: its time says nothing about a change."""
MAX_WAITING = 256
"""Publications timed at once."""


class PublicationMetrics:
    """Counts what Envoys refuse and times what they take. Labels are types, which are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refusals = Counter("kea_xds_refusals_total", "Responses refused (NACK).", ("type",), registry=registry)
        self.seconds = Histogram(
            "kea_xds_acknowledge_seconds",
            "Time from a publication until every Envoy has acknowledged it.",
            registry=registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
        )


@dataclass(frozen=True, slots=True)
class _Waiting:
    since: float
    versions: tuple[tuple[Key, str], ...]


class Publisher:
    """Holds the snapshot and the streams that follow it."""

    def __init__(
        self,
        metrics: PublicationMetrics,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.snapshot = Snapshot()
        self.streams: list[Stream] = []
        self.refusal_count = 0
        self._metrics = metrics
        self._monotonic = monotonic
        self._now = now
        self._waiting: deque[_Waiting] = deque(maxlen=MAX_WAITING)
        self._latencies: deque[float] = deque(maxlen=KEPT_LATENCIES)

    @property
    def median_acknowledge_seconds(self) -> float:
        """Median time from a publication until every Envoy had acknowledged it; 0 before the first."""
        return statistics.median(self._latencies) if self._latencies else 0.0

    def publish(self, change: Change) -> None:
        """Publishes a change; what is equal to what is published is not sent.

        Raises:
            InconsistentError: the change would leave a reference open; what was published stays.
        """
        self.snapshot = self.snapshot.apply(change)
        if change.upserted and self.streams and len(change.upserted) <= WATCHED_KEYS:
            versions = tuple((resource.key, resource.version) for resource in change.upserted)
            self._waiting.append(_Waiting(self._monotonic(), versions))
        for stream in self.streams:
            stream.woken.set()

    def connect(self) -> Stream:
        """Returns the state of a new stream."""
        stream = Stream(self._now())
        self.streams.append(stream)
        return stream

    def disconnect(self, stream: Stream) -> None:
        """Forgets a stream."""
        self.streams.remove(stream)

    def acknowledged(self, keys: Iterable[Key]) -> bool:
        """Whether every connected Envoy has what is published of these, and there is at least one."""
        published = [self.snapshot.get(key) for key in keys]
        return bool(self.streams) and all(
            resource is not None and stream.has(resource.key, resource.version)
            for stream in self.streams
            for resource in published
        )

    def refusal(self, keys: Iterable[Key]) -> str:
        """Returns why an Envoy refused one of these; empty where none did."""
        for key in keys:
            resource = self.snapshot.get(key)
            for stream in self.streams:
                subscription = stream.subscriptions[key.type_url]
                if subscription.refusal and resource is not None and not stream.has(key, resource.version):
                    return subscription.refusal
        return ""

    def synced(self, stream: Stream) -> bool:
        """Whether a stream has acknowledged all it asked for."""
        for type_url, subscription in stream.subscriptions.items():
            for name, resource in self.snapshot.of_type(type_url).items():
                if subscription.wants(name) and subscription.held.get(name) != resource.version:
                    return False
        return True

    def received(self, stream: Stream, refusal: Refusal | None, type_url: str) -> None:
        """Notes what a request brought: a refusal, or perhaps the acknowledgement someone waits for."""
        if refusal is not None:
            self.refusal_count += 1
            stream.refuse_times[type_url] = self._now()
            self._metrics.refusals.labels(type_url.rpartition(".")[2]).inc()
            names = [resource.key.name for resource in refusal.resources][:10]
            log.error(
                "configuration refused; the last good one stays",
                extra={"node": stream.node_id, "type": type_url, "resources": names, "problem": refusal.message},
            )
        while self._waiting and self._taken(self._waiting[0]):
            seconds = self._monotonic() - self._waiting.popleft().since
            self._latencies.append(seconds)
            self._metrics.seconds.observe(seconds)

    def _taken(self, waiting: _Waiting) -> bool:
        """Whether all have it, or something newer has been published since."""
        for key, version in waiting.versions:
            resource = self.snapshot.get(key)
            if resource is None or resource.version != version:
                continue
            if not all(stream.has(key, version) for stream in self.streams):
                return False
        return True
