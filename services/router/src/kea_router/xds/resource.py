"""Resources as xDS knows them: a type, a name, a body, and the version that is its content's hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf import any_pb2
from google.protobuf.message import Message

TYPE_PREFIX = "type.googleapis.com/"
CLUSTER = f"{TYPE_PREFIX}envoy.config.cluster.v3.Cluster"
ENDPOINTS = f"{TYPE_PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment"
ROUTES = f"{TYPE_PREFIX}envoy.config.route.v3.RouteConfiguration"
SCOPE = f"{TYPE_PREFIX}envoy.config.route.v3.ScopedRouteConfiguration"
EXTENSION = f"{TYPE_PREFIX}envoy.config.core.v3.TypedExtensionConfig"

PUSH_ORDER = (EXTENSION, CLUSTER, ENDPOINTS, ROUTES, SCOPE)
"""The order MATTERS: what is referred to goes before what refers to it, or requests meet routes without clusters."""

AWAITED = frozenset({CLUSTER})
"""Types that a peer must hold before it is sent what refers to them. Envoy acknowledges a cluster once it is warm; a
route that came earlier would answer 503 until then. Of the other types Envoy asks for what is referred to only when it
has what refers to it, so those cannot be waited for."""

REFERRER = {ENDPOINTS: CLUSTER, CLUSTER: ROUTES, ROUTES: SCOPE}
"""The type whose resources refer to those of a type."""


class Key(NamedTuple):
    """What tells resources apart."""

    type_url: str
    name: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One immutable resource.

    There are tens of thousands: what is sent is kept as bytes, which the garbage collector need not look at.
    """

    key: Key
    version: str
    """Hash of what is sent: equal content is never sent again."""
    content: bytes
    """The message, serialized."""
    references: frozenset[Key]
    """Resources that must be there for this one to work."""
    content_alone: bytes | None = None
    """What `alone` is made of."""

    @property
    def body(self) -> any_pb2.Any:
        """What is sent."""
        return any_pb2.Any(type_url=self.key.type_url, value=self.content)

    @property
    def alone(self) -> any_pb2.Any | None:
        """What an Envoy that knows of no others beside it is sent in place of the body; None: the body too."""
        if self.content_alone is None:
            return None
        return any_pb2.Any(type_url=self.key.type_url, value=self.content_alone)

    def with_content(self, message: Message, *, alone: Message | None = None) -> Resource:
        """Returns this resource with another content, of the same type and with the same references."""
        return _resource(self.key, message, self.references, alone)


def make_resource(
    name: str, message: Message, references: frozenset[Key] = frozenset(), *, alone: Message | None = None
) -> Resource:
    """Returns `message` as a resource; `alone` stands in for it where an Envoy knows of no others."""
    return _resource(Key(TYPE_PREFIX + message.DESCRIPTOR.full_name, name), message, references, alone)


def _resource(key: Key, message: Message, references: frozenset[Key], alone: Message | None) -> Resource:
    content, other = _serialized(message), None if alone is None else _serialized(alone)
    digest = hashlib.sha256(content)
    if other is not None:
        digest.update(other)
    return Resource(key, digest.hexdigest()[:16], content, references, other)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)
