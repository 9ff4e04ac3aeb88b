"""Who may call which endpoint, and which of its methods: what the policy says of the data plane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kea_core.permission import INVOKE
from kea_core.policy import PLATFORM, Policy, lineage

METHODS = "/methods/"


@dataclass(frozen=True, slots=True)
class EndpointInvokers:
    """Who may call one endpoint."""

    roles: tuple[str, ...] = ()
    """Ids of the roles that let call models, sorted: a token that has scopes must have one of these."""
    members: tuple[str, ...] = ()
    """Who may call all methods, sorted: `users/…`, `groups/…`, `serviceAccounts/…`, `everyone`."""
    of_methods: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Who else may call a method, by the method's name, sorted."""


class Invokers:
    """Who may call the endpoints, by one policy."""

    def __init__(self, policy: Policy) -> None:
        self._roles = tuple(sorted(policy.roles_granting(INVOKE)))
        members: defaultdict[str, set[str]] = defaultdict(set)
        methods: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for binding in policy.bindings_granting(INVOKE):
            endpoint, _, method = binding.resource.partition(METHODS)
            (methods[endpoint][method] if method else members[endpoint]).add(binding.member)
        self._members: Mapping[str, set[str]] = dict(members)
        self._methods: Mapping[str, Mapping[str, set[str]]] = dict(methods)

    def differing(self, other: Invokers) -> set[str]:
        """Returns the resources at or under which others may call than by another policy.

        Of an endpoint that lies under none of them both say the same.
        """
        if self._roles != other._roles:
            return {PLATFORM}
        return _differing(self._members, other._members) | _differing(self._methods, other._methods)

    def of(self, endpoint: str) -> EndpointInvokers:
        """Returns who may call an endpoint, by its resource name."""
        members = _union(self._members.get(name, ()) for name in lineage(endpoint))
        methods = self._methods.get(endpoint, {})
        of_methods = tuple((method, tuple(sorted(found))) for method, found in sorted(methods.items()))
        return EndpointInvokers(self._roles, members, of_methods)


def _union(sets: Iterable[Iterable[str]]) -> tuple[str, ...]:
    found: set[str] = set()
    for each in sets:
        found.update(each)
    return tuple(sorted(found))


def _differing(some: Mapping[str, object], others: Mapping[str, object]) -> set[str]:
    return {name for name in some.keys() | others.keys() if some.get(name) != others.get(name)}
