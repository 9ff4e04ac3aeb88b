"""All that is published at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kea_router.xds.resource import PUSH_ORDER, Key, Resource


class InconsistentError(Exception):
    """A snapshot refers to what it does not have; it must not be published."""

    def __init__(self, referrer: Key, missing: Key) -> None:
        super().__init__(f"{referrer.name} refers to {missing.name} ({missing.type_url}), which is not there")
        self.referrer = referrer
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Delta:
    """What differs from one snapshot to the next."""

    upserted: tuple[Resource, ...] = ()
    removed: tuple[Key, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.upserted or self.removed)

    def touched(self) -> Iterable[Key]:
        """Yields the keys of all that differs."""
        yield from (resource.key for resource in self.upserted)
        yield from self.removed


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Immutable; the next one shares all that did not change."""

    resources: Mapping[str, MappingProxyType[str, Resource]] = field(
        default_factory=lambda: MappingProxyType({type_url: MappingProxyType({}) for type_url in PUSH_ORDER})
    )
    """By type, then by name."""

    def get(self, key: Key) -> Resource | None:
        """Returns a resource, or None."""
        return self.resources[key.type_url].get(key.name)

    def of_type(self, type_url: str) -> Mapping[str, Resource]:
        """Returns all resources of a type."""
        return self.resources[type_url]

    def without_equals(self, delta: Delta) -> Delta:
        """Returns `delta` without what would change nothing."""
        upserted = (
            resource
            for resource in delta.upserted
            if (there := self.get(resource.key)) is None or there.version != resource.version
        )
        return Delta(tuple(upserted), tuple(key for key in delta.removed if self.get(key) is not None))

    def apply(self, delta: Delta) -> Snapshot:
        """Returns the snapshot after a change.

        Raises:
            InconsistentError: something would refer to what is not there.
        """
        # Not `dict(…)`: of a proxy that takes thirty times as long, and each change of one endpoint copies all.
        copies = {type_url: self.resources[type_url].copy() for type_url in {key.type_url for key in delta.touched()}}
        for key in delta.removed:
            copies[key.type_url].pop(key.name, None)
        for resource in delta.upserted:
            copies[resource.key.type_url][resource.key.name] = resource
        merged = dict(self.resources) | {type_url: MappingProxyType(copy) for type_url, copy in copies.items()}
        made = Snapshot(MappingProxyType(merged))
        made.check(delta.upserted)
        removed = frozenset(delta.removed)
        if removed:
            made.check(r for named in merged.values() for r in named.values() if not removed.isdisjoint(r.references))
        return made

    def check(self, resources: Iterable[Resource]) -> None:
        """Checks that whatever these refer to is there.

        Raises:
            InconsistentError: it is not.
        """
        for resource in resources:
            for reference in resource.references:
                if reference.name not in self.resources[reference.type_url]:
                    raise InconsistentError(resource.key, reference)
