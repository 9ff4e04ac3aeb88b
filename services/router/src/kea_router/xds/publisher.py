"""What is published, to whom, and who has taken it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from envoy.service.discovery.v3 import discovery_pb2
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kea_router.xds.latencies import Latencies
from kea_router.xds.resource import PUSH_ORDER, Key
from kea_router.xds.snapshot import Delta, Snapshot
from kea_router.xds.stream import Stream
from kea_router.xds.subscription import Refusal

log = logging.getLogger(__name__)

NAMES_LOGGED = 10


class PublicationMetrics:
    """Counts Envoys and what they refuse, and times what they take. Labels are types, which are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refusals = Counter("kea_xds_refusals_total", "Responses refused (NACK).", ("type",), registry=registry)
        for type_url in PUSH_ORDER:
            self.refusals.labels(_short(type_url))  # begins with 0: a first refusal is then an increase
        self.withheld = Counter(
            "kea_xds_withheld_total", "Publications not made because they would be incomplete.", registry=registry
        )
        self.seconds = Histogram(
            "kea_xds_acknowledge_seconds",
            "Time from a publication until every Envoy has acknowledged it.",
            registry=registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
        )
        self.envoys = Gauge("kea_xds_envoys", "Envoys that are connected.", registry=registry)
        self.synced = Gauge(
            "kea_xds_envoys_synced", "Envoys that hold all that is published, and nothing else.", registry=registry
        )


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
        self._begun = False
        self._metrics = metrics
        self._now = now
        self._latencies = Latencies(monotonic=monotonic)
        metrics.envoys.set_function(lambda: len(self.streams))
        metrics.synced.set_function(self._count_synced)

    @property
    def median_acknowledge_seconds(self) -> float:
        """Median time from a publication until every Envoy had acknowledged it; 0 before the first."""
        return self._latencies.median_seconds

    def publish(self, delta: Delta) -> None:
        """Publishes a change. The first one must be whole: what it lacks, Envoys are told to drop.

        Raises:
            InconsistentError: the change would leave a reference open; what was published stays.
        """
        delta = self.snapshot.without_equals(delta)
        self.snapshot = self.snapshot.apply(delta)
        begins, self._begun = not self._begun, True
        self._latencies.begin(delta.upserted, self.streams)
        for stream in self.streams:
            for key in delta.touched():
                stream.changed(key)
            if begins:
                stream.woken.set()

    def withhold(self) -> None:
        """Counts a publication that is not made."""
        self._metrics.withheld.inc()

    def responses(self, stream: Stream) -> list[discovery_pb2.DeltaDiscoveryResponse]:
        """Returns what to send on a stream now.

        Nothing before the first publication: an Envoy that comes back to a router that has just started would be told
        that all it holds is gone.
        """
        return stream.responses(self.snapshot) if self._begun else []

    def connect(self) -> Stream:
        """Returns the state of a new stream."""
        stream = Stream(self._now())
        self.streams.append(stream)
        return stream

    def disconnect(self, stream: Stream) -> None:
        """Forgets a stream."""
        self.streams.remove(stream)
        self._latencies.leave(stream)

    def acknowledged(self, keys: Iterable[Key]) -> bool:
        """Whether every connected Envoy has what is published of these, and there is at least one."""
        published = [self.snapshot.get(key) for key in keys]
        return bool(self.streams) and all(
            resource is not None and stream.has(resource.key, resource.version)
            for stream in self.streams
            for resource in published
        )

    def refusal(self, keys: Iterable[Key]) -> str:
        """Returns why an Envoy refuses what is published of one of these; empty where none does."""
        published = [resource for key in keys if (resource := self.snapshot.get(key)) is not None]
        problems = (stream.rejection(r.key, r.version) for stream in self.streams for r in published)
        return next(filter(None, problems), "")

    def synced(self, stream: Stream) -> bool:
        """Whether an Envoy has acknowledged all that is published, and holds nothing else.

        Iterates over what never changes (the snapshot) only, so that it may be asked from another thread.
        """
        for type_url, subscription in stream.subscriptions.items():
            published = self.snapshot.of_type(type_url)
            if len(published) != len(subscription.held):
                return False
            if any(subscription.held.version(name) != resource.version for name, resource in published.items()):
                return False
        return self._begun

    def _count_synced(self) -> int:
        """Returns how many Envoys are synced. Prometheus asks on a thread of its own: see `synced`."""
        return sum(self.synced(stream) for stream in tuple(self.streams))

    def received(self, stream: Stream, request: discovery_pb2.DeltaDiscoveryRequest) -> None:
        """Takes in what an Envoy says: what it asks for, what it has taken, what it refuses."""
        refusal = stream.receive(request)
        if refusal is not None:
            self._note(stream, refusal, request.type_url)
        for seconds in self._latencies.end(self.snapshot):
            self._metrics.seconds.observe(seconds)

    def _note(self, stream: Stream, refusal: Refusal, type_url: str) -> None:
        self.refusal_count += 1
        stream.refuse_times[type_url] = self._now()
        self._metrics.refusals.labels(_short(type_url)).inc()
        log.log(
            logging.ERROR if refusal.isolated else logging.WARNING,
            "configuration refused; %s",
            "the last good one stays" if refusal.isolated else "it is sent again in parts",
            extra={
                "node": stream.node_id,
                "type": type_url,
                "resources": refusal.names[:NAMES_LOGGED],
                "resource_count": len(refusal.names),
                "problem": refusal.problem,
            },
        )


def _short(type_url: str) -> str:
    """Returns a type's own name, without its package."""
    return type_url.rpartition(".")[2]
