"""A custom resource, as far as all kinds are alike. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kea_deployer.operator.names import FINALIZER


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which resource of a kind."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """What stands in a resource beside its spec's meaning."""

    kind: str
    key: Key
    uid: str
    generation: int
    version: str
    """Kubernetes' resource version."""
    deleting: bool
    finalizers: tuple[str, ...]
    create_time: str
    spec: Mapping[str, Any] = field(default_factory=dict[str, Any])
    status: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def managed_by(self) -> str:
        """What KEA's objects say that this resource manages."""
        return str(self.key)

    @property
    def held(self) -> bool:
        """Whether it stays until the operator has taken down what it made."""
        return FINALIZER in self.finalizers


def read_resource(kind: str, item: Mapping[str, Any]) -> Resource:
    """Returns an object of the Kubernetes API as a resource."""
    metadata = item["metadata"]
    return Resource(
        kind=kind,
        key=Key(metadata["namespace"], metadata["name"]),
        uid=str(metadata.get("uid", "")),
        generation=int(metadata.get("generation") or 0),
        version=str(metadata.get("resourceVersion", "")),
        deleting=bool(metadata.get("deletionTimestamp")),
        finalizers=tuple(metadata.get("finalizers") or ()),
        create_time=str(metadata.get("creationTimestamp") or ""),
        spec=item.get("spec") or {},
        status=item.get("status") or {},
    )
