"""What one Envoy has asked for, has been sent and has acknowledged, of one type. No I/O.

Clauses cited are of "Incremental xDS" in the xDS protocol's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envoy.service.discovery.v3 import discovery_pb2

from kea_router.xds.resource import Resource

WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be sent."""

    resources: tuple[Resource, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.resources or self.removed)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A NACK."""

    resources: tuple[Resource, ...]
    """What was sent in the response that was refused."""
    message: str


class Subscription:
    """The state of one type on one stream."""

    def __init__(self) -> None:
        self._begun = False
        self._wildcard = False
        self._names: set[str] = set()
        self._held: dict[str, str] = {}
        self._rejected: dict[str, str] = {}
        self._absent: set[str] = set()
        self._pending: tuple[str, Batch] | None = None
        self.refusal = ""
        """Why the last response was refused; empty where it was not."""

    @property
    def settled(self) -> bool:
        """Whether every response has been answered."""
        return self._pending is None

    @property
    def held(self) -> Mapping[str, str]:
        """Version of each resource that has been acknowledged."""
        return self._held

    def wants(self, name: str) -> bool:
        """Whether the peer has asked for this resource."""
        return self._wildcard or name in self._names

    def receive(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Refusal | None:
        """Takes a request in; returns the refusal it carries, if it does.

        One request may both answer a response and change what is asked for ("spontaneous" requests have no nonce).
        """
        if not self._begun:
            # "initial_resource_versions" is set in the first request of a type on a stream: what the client still holds.
            self._held = dict(request.initial_resource_versions)
            # "a client may … subscribe to the wildcard by … a first request with no resource names".
            self._wildcard = not request.resource_names_subscribe
            self._begun = True
        self._subscribe(request)
        return self._answer(request) if request.response_nonce else None

    def _subscribe(self, request: discovery_pb2.DeltaDiscoveryRequest) -> None:
        for name in request.resource_names_subscribe:
            if name == WILDCARD:
                self._wildcard = True
                continue
            # "the server must send … even if [the client] already has it": it may have dropped it since.
            if name in self._names:
                self._held.pop(name, None)
            self._names.add(name)
            self._absent.discard(name)
        for name in request.resource_names_unsubscribe:
            if name == WILDCARD:
                self._wildcard = False
                continue
            self._names.discard(name)
            self._absent.discard(name)
            if not self._wildcard:
                self._held.pop(name, None)

    def _answer(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Refusal | None:
        if self._pending is None or request.response_nonce != self._pending[0]:
            return None  # an answer to something older
        _, batch = self._pending
        self._pending = None
        if request.HasField("error_detail"):
            # Envoy keeps what it had. The same version would be refused again, so it waits for another one.
            self._rejected |= {resource.key.name: resource.version for resource in batch.resources}
            self.refusal = request.error_detail.message
            return Refusal(batch.resources, request.error_detail.message)
        self.refusal = ""
        for resource in batch.resources:
            if self.wants(resource.key.name):
                self._held[resource.key.name] = resource.version
            self._rejected.pop(resource.key.name, None)
        for name in batch.removed:
            self._held.pop(name, None)
        return None

    def due(self, published: Mapping[str, Resource], *, removals: bool) -> Batch:
        """Returns what the peer should be sent now: nothing while a response is unanswered."""
        if not self._begun or self._pending is not None:
            return Batch((), ())
        names = published.keys() if self._wildcard else self._names & published.keys()
        resources = tuple(
            published[name]
            for name in names
            if self._held.get(name) != published[name].version and self._rejected.get(name) != published[name].version
        )
        return Batch(resources, self._removed(published) if removals else ())

    def _removed(self, published: Mapping[str, Resource]) -> tuple[str, ...]:
        gone = [name for name in self._held if name not in published]
        # "if a resource does not exist, the server … must … include it in removed_resources", once.
        absent = [name for name in self._names if name not in published and name not in self._absent]
        self._absent.update(absent)
        return tuple(sorted({*gone, *absent}))

    def sent(self, nonce: str, batch: Batch) -> None:
        """Notes that a batch is on its way."""
        self._pending = (nonce, batch)
        self._absent -= {resource.key.name for resource in batch.resources}
