"""Who may call which endpoint, and which of its methods: what the policy says of the data plane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kea_core.permission import INVOKE
from kea_core.policy import Policy, lineage

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
        granting = policy.roles_granting(INVOKE)
        self._roles = tuple(sorted(granting))
        members: defaultdict[str, set[str]] = defaultdict(set)
        methods: defaultdict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for resource, bindings in policy.on_resource.items():
            found = {binding.member for binding in bindings if binding.role in granting}
            endpoint, _, method = resource.partition(METHODS)
            if method and found:
                methods[endpoint][method] = tuple(sorted(found))
            elif found:
                members[resource] |= found
        self._members: Mapping[str, set[str]] = dict(members)
        self._methods: Mapping[str, Mapping[str, tuple[str, ...]]] = dict(methods)

    def of(self, endpoint: str) -> EndpointInvokers:
        """Returns who may call an endpoint, by its resource name."""
        members = _union(self._members.get(name, ()) for name in lineage(endpoint))
        methods = tuple(sorted(self._methods.get(endpoint, {}).items()))
        return EndpointInvokers(self._roles, members, methods)


def _union(sets: Iterable[Iterable[str]]) -> tuple[str, ...]:
    found: set[str] = set()
    for each in sets:
        found.update(each)
    return tuple(sorted(found))
