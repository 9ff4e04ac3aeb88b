"""Who may call which endpoint, and which of its methods: what the policy says of the data plane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kea_core.permission import INVOKE
from kea_core.policy import PLATFORM, Binding, Policy, lineage

METHODS = "/methods/"
ALL_METHODS = ""


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
    """Who may call the endpoints by one policy, and then by the next, which costs what it changes."""

    def __init__(self, policy: Policy) -> None:
        self._begin(policy)

    def _begin(self, policy: Policy) -> None:
        self._bindings = policy.bindings
        self._roles = _calling(policy)
        self._counts: dict[str, dict[str, dict[str, int]]] = {}
        """How many bindings let a member call, by endpoint (or what endpoints lie under), method and member."""
        self._inherited: dict[str, EndpointInvokers] = {}
        """Who may call by what is bound on a resource and above it, as far as it was asked for."""
        for binding in policy.bindings_granting(INVOKE):
            self._count(binding.resource, binding.member, 1)

    def take(self, policy: Policy) -> set[str]:
        """Goes over to another policy; returns the resources at or under which others may call by it.

        Of an endpoint that lies under none of them both policies say the same.
        """
        if _calling(policy) != self._roles:
            self._begin(policy)
            return {PLATFORM}
        before, self._bindings = self._bindings, policy.bindings
        changes: Counter[tuple[str, str]] = Counter()
        for binding, more in _differing(before, policy.bindings):
            if binding.role in self._roles:
                changes[binding.resource, binding.member] += more
        found = {
            resource.partition(METHODS)[0]
            for (resource, member), more in changes.items()
            if self._count(resource, member, more)
        }
        if found:
            self._inherited.clear()
        return found

    def of(self, endpoint: str) -> EndpointInvokers:
        """Returns who may call an endpoint, by its resource name.

        Most of a project have nobody of their own; for these it is one and the same object.
        """
        own = self._counts.get(endpoint)
        if own is None:
            _, parent, *_ = lineage(endpoint)
            return self._inheriting(parent)
        of_methods = tuple((method, tuple(sorted(own[method]))) for method in sorted(own) if method != ALL_METHODS)
        return EndpointInvokers(self._roles, self._members(endpoint), of_methods)

    def _inheriting(self, resource: str) -> EndpointInvokers:
        found = self._inherited.get(resource)
        if found is None:
            found = self._inherited[resource] = EndpointInvokers(self._roles, self._members(resource))
        return found

    def _members(self, resource: str) -> tuple[str, ...]:
        """Returns who may call all that is at or under a resource, sorted."""
        found = (self._counts.get(name, {}).get(ALL_METHODS, {}) for name in lineage(resource))
        return tuple(sorted(set[str]().union(*found)))

    def _count(self, resource: str, member: str, more: int) -> bool:
        """Counts bindings that have come or gone; returns whether one is left where there was none, or the reverse."""
        endpoint, _, method = resource.partition(METHODS)
        of_methods = self._counts.setdefault(endpoint, {})
        counts = of_methods.setdefault(method, {})
        before = counts.pop(member, 0)
        if before + more:
            counts[member] = before + more
        if not counts:
            del of_methods[method]
        if not of_methods:
            del self._counts[endpoint]
        return bool(before) != bool(before + more)


def _calling(policy: Policy) -> tuple[str, ...]:
    """Returns the roles that let call models, sorted."""
    return tuple(sorted(policy.roles_granting(INVOKE)))


def _differing(before: Mapping[str, Binding], after: Mapping[str, Binding]) -> Iterator[tuple[Binding, int]]:
    """Yields the bindings that have come (1) and gone (-1)."""
    for name, binding in after.items():
        known = before.get(name)
        if known is not binding:
            yield binding, 1
            if known is not None:
                yield known, -1
    for name in before.keys() - after.keys():
        yield before[name], -1
