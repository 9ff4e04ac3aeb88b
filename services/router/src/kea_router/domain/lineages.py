"""Endpoints by what they lie under."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set as AbstractSet

from kea_core.policy import lineage


class Lineages:
    """Finds the endpoints at or under a resource without looking at any other. No endpoint lies under another."""

    def __init__(self) -> None:
        self._endpoints: set[str] = set()
        self._under: defaultdict[str, set[str]] = defaultdict(set)
        """Endpoints by each of the resources above them."""

    def add(self, endpoint: str) -> None:
        """Takes an endpoint in, by its resource name."""
        self._endpoints.add(endpoint)
        _, *above = lineage(endpoint)
        for resource in above:
            self._under[resource].add(endpoint)

    def discard(self, endpoint: str) -> None:
        """Forgets an endpoint, if it is known."""
        self._endpoints.discard(endpoint)
        _, *above = lineage(endpoint)
        for resource in above:
            self._under[resource].discard(endpoint)
            if not self._under[resource]:
                del self._under[resource]

    def under(self, resource: str) -> AbstractSet[str]:
        """Returns the endpoints at or under a resource."""
        if resource in self._endpoints:
            return frozenset((resource,))
        return self._under.get(resource, frozenset())
