"""One Envoy's stream: its subscriptions, and what to send next. No I/O."""

from __future__ import annotations

import asyncio
import functools
import itertools

from envoy.service.discovery.v3 import discovery_pb2

from kea_router.xds.resource import AWAITED, PUSH_ORDER, REFERRER, Key, Resource
from kea_router.xds.snapshot import Snapshot
from kea_router.xds.subscription import Batch, Refusal, Subscription

LOCAL_CLUSTER = "local_cluster_name"
"""Where an Envoy's metadata names the cluster of those beside it. Without one it refuses limits that it is to share."""


class Stream:
    """The state of one stream. What is sent makes before it breaks.

    What others refer to goes first: a route waits until the peer holds its clusters. What others refer to is also
    removed last: a cluster stays as long as the peer holds, or is being sent, a route that may lead to it.
    """

    def __init__(self, connect_time: float) -> None:
        self.connect_time = connect_time
        """When it began, in seconds since 1970."""
        self.node_id = ""
        self.alone = True
        """Whether the peer knows of no other Envoys beside it."""
        self.woken = asyncio.Event()
        """Set when there may be something to send."""
        self.subscriptions = {type_url: Subscription() for type_url in PUSH_ORDER}
        """By type; other types are none of KEA's, and what is asked of them stays unanswered."""
        self.refuse_times: dict[str, float] = {}
        """When each type was last refused, in seconds since 1970."""
        self._nonces = itertools.count(1)

    def receive(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Refusal | None:
        """Takes a request in; returns the refusal it carries, if it does."""
        if request.node.id:
            self.node_id = request.node.id
            self.alone = LOCAL_CLUSTER not in request.node.metadata
        subscription = self.subscriptions.get(request.type_url)
        if subscription is None:
            return None
        self.woken.set()
        return subscription.receive(request)

    def changed(self, key: Key) -> None:
        """Notes that a resource was published or removed."""
        self.subscriptions[key.type_url].changed(key.name)
        self.woken.set()

    def responses(self, snapshot: Snapshot) -> list[discovery_pb2.DeltaDiscoveryResponse]:
        """Returns what to send now, in the order that keeps every reference whole.

        A list, not a generator: with every name that is looked at, `snapshot` must be the newest one.
        """
        found: list[discovery_pb2.DeltaDiscoveryResponse] = []
        for type_url in PUSH_ORDER:
            subscription = self.subscriptions[type_url]
            batch = subscription.due(snapshot.of_type(type_url), functools.partial(self._timely, type_url))
            if batch:
                nonce = str(next(self._nonces))
                subscription.sent(nonce, batch)
                found.append(_response(type_url, nonce, batch, alone=self.alone))
        return found

    def has(self, key: Key, version: str) -> bool:
        """Whether the peer has acknowledged that version of a resource."""
        return self.subscriptions[key.type_url].held.version(key.name) == version

    def rejection(self, key: Key, version: str) -> str:
        """Returns why the peer refuses that version of a resource; empty where it does not."""
        return self.subscriptions[key.type_url].rejection(key.name, version)

    def _timely(self, type_url: str, name: str, resource: Resource | None) -> bool:
        """Whether a resource (None: its removal) may go now."""
        if resource is None:
            return not self._may_be_used(Key(type_url, name))
        awaited = (reference for reference in resource.references if reference.type_url in AWAITED)
        return all(reference.name in self.subscriptions[reference.type_url].held for reference in awaited)

    def _may_be_used(self, key: Key) -> bool:
        """Whether the peer has, or may have, what refers to this."""
        referrer = REFERRER.get(key.type_url)
        if referrer is None:
            return False
        if not self._is_told(referrer):
            return True
        return self.subscriptions[referrer].may_refer_to(key)

    def _is_told(self, type_url: str) -> bool:
        """Whether the peer has told what it holds of a type: one that comes back does so type by type.

        It asks for what its scopes and clusters call for, so without any it will not ask.
        """
        if self.subscriptions[type_url].begun:
            return True
        referrer = REFERRER.get(type_url)
        return referrer is not None and self.subscriptions[referrer].begun and not self.subscriptions[referrer].held


def _response(type_url: str, nonce: str, batch: Batch, *, alone: bool) -> discovery_pb2.DeltaDiscoveryResponse:
    resources = [
        discovery_pb2.Resource(
            name=resource.key.name,
            version=resource.version,
            resource=(resource.alone if alone else None) or resource.body,
        )
        for resource in batch.resources
    ]
    return discovery_pb2.DeltaDiscoveryResponse(
        type_url=type_url, nonce=nonce, resources=resources, removed_resources=batch.removed
    )
