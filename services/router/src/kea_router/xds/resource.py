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
    """One immutable resource."""

    key: Key
    version: str
    """Hash of what is sent: equal content is never sent again."""
    body: any_pb2.Any
    references: frozenset[Key]
    """Resources that must be there for this one to work."""
    alone: any_pb2.Any | None = None
    """What an Envoy that knows of no others beside it is sent in place of the body; None: the body too."""


def make_resource(
    name: str, message: Message, references: frozenset[Key] = frozenset(), *, alone: Message | None = None
) -> Resource:
    """Returns `message` as a resource; `alone` stands in for it where an Envoy knows of no others."""
    body, other = _packed(message), None if alone is None else _packed(alone)
    content = hashlib.sha256(body.value)
    if other is not None:
        content.update(other.value)
    return Resource(Key(body.type_url, name), content.hexdigest()[:16], body, references, other)


def _packed(message: Message) -> any_pb2.Any:
    type_url = TYPE_PREFIX + message.DESCRIPTOR.full_name
    return any_pb2.Any(type_url=type_url, value=message.SerializeToString(deterministic=True))
