"""One Envoy's stream: its subscriptions, and what to send next. No I/O."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict

from envoy.service.discovery.v3 import discovery_pb2

from kea_router.xds.resource import PUSH_ORDER, REMOVED_LATE, ROUTES, SCOPE, Key
from kea_router.xds.snapshot import Snapshot
from kea_router.xds.subscription import Batch, Refusal, Subscription


class Stream:
    """The state of one stream."""

    def __init__(self, connect_time: float) -> None:
        self.connect_time = connect_time
        """When it began, in seconds since 1970."""
        self.node_id = ""
        self.woken = asyncio.Event()
        """Set when there may be something to send."""
        self.subscriptions: defaultdict[str, Subscription] = defaultdict(Subscription)
        self.refuse_times: dict[str, float] = {}
        """When each type was last refused."""
        self._nonces = itertools.count(1)

    def receive(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Refusal | None:
        """Takes a request in; returns the refusal it carries, if it does."""
        if request.node.id:
            self.node_id = request.node.id
        self.woken.set()
        return self.subscriptions[request.type_url].receive(request)

    def responses(self, snapshot: Snapshot) -> list[discovery_pb2.DeltaDiscoveryResponse]:
        """Returns what to send now, in the order that keeps every reference whole."""
        found: list[discovery_pb2.DeltaDiscoveryResponse] = []
        for type_url in PUSH_ORDER:
            if type_url not in self.subscriptions:
                continue
            subscription = self.subscriptions[type_url]
            removals = type_url not in REMOVED_LATE or self._routes_settled(snapshot)
            batch = subscription.due(snapshot.of_type(type_url), removals=removals)
            if batch:
                nonce = str(next(self._nonces))
                subscription.sent(nonce, batch)
                found.append(_response(type_url, nonce, batch))
        return found

    def has(self, key: Key, version: str) -> bool:
        """Whether the peer has acknowledged that version of a resource."""
        return self.subscriptions[key.type_url].held.get(key.name) == version

    def _routes_settled(self, snapshot: Snapshot) -> bool:
        """Whether the peer has acknowledged all that it asked for of what may refer to clusters."""
        for type_url in (ROUTES, SCOPE):
            subscription = self.subscriptions[type_url]
            if not subscription.settled:
                return False
            published = snapshot.of_type(type_url)
            if any(subscription.wants(name) and not self.has(r.key, r.version) for name, r in published.items()):
                return False
        return True


def _response(type_url: str, nonce: str, batch: Batch) -> discovery_pb2.DeltaDiscoveryResponse:
    resources = [
        discovery_pb2.Resource(name=resource.key.name, version=resource.version, resource=resource.body)
        for resource in batch.resources
    ]
    return discovery_pb2.DeltaDiscoveryResponse(
        type_url=type_url, nonce=nonce, resources=resources, removed_resources=batch.removed
    )
