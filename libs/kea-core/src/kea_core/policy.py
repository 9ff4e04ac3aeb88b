"""Who may do what: roles, bindings and revocations at one moment, and the decisions that follow from them.

This is the one policy. Services decide by it; the router compiles it to what Envoy decides by
(`kea_router.translate.policy`), and a property test holds the two to the same answers.

A resource is a name such as `projects/default/endpoints/iris`; it lies under every name that it begins with, and all
lie under the platform, whose name is empty. A binding gives its role on its resource and on all under it. A token's
scopes take away: what it does must be in one of them too. What nothing gives is denied.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from kea_core.permission import covers, grants
from kea_core.principal import Principal
from kea_core.roles import BUILT_IN, BUILT_IN_MEMBERS

PLATFORM = ""
"""The resource that all others lie under."""
EVERYONE = "everyone"
"""The member that whoever has a good token is."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Gives a role to a member, on a resource and all under it."""

    member: str
    """`users/…`, `groups/…`, `serviceAccounts/…` or `everyone`."""
    role: str
    """Id of the role."""
    resource: str = PLATFORM
    name: str = ""
    """`bindings/…`; empty for what KEA comes with."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, and by what."""

    allowed: bool
    binding: Binding | None
    """What allows it, or would if the token's scopes did not forbid it; None where nothing does."""


@dataclass(frozen=True, slots=True)
class Visible:
    """Which entries of a list a caller may see."""

    names: frozenset[str] | None
    """Their resource names, and whatever lies under them; None: all."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self.names is None or bool(self.names)

    def __contains__(self, name: str) -> bool:
        return self.names is None or not self.names.isdisjoint(lineage(name))


ALL = Visible(None)


def lineage(resource: str) -> Iterator[str]:
    """Yields a resource and all that it lies under, the platform last."""
    while resource:
        yield resource
        resource = "/".join(resource.split("/")[:-2])
    yield PLATFORM


def is_under(resource: str, other: str) -> bool:
    """Whether a resource is another, or lies under it."""
    return other in lineage(resource)


BUILT_IN_BINDINGS = tuple(Binding(member, role) for member, role in BUILT_IN_MEMBERS.items())


@dataclass(frozen=True)
class Policy:
    """Immutable; the next one is made anew.

    Args:
        roles: grants by role id, those that KEA comes with left out.
        bindings: by name, those that KEA comes with left out.
        revoked: ids of tokens, sessions and accounts whose tokens are refused.
    """

    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    @cached_property
    def _of_member(self) -> Mapping[str, list[Binding]]:
        found: defaultdict[str, list[Binding]] = defaultdict(list)
        for binding in self._all_bindings():
            found[binding.member].append(binding)
        return dict(found)

    def grants_of(self, role: str) -> tuple[str, ...]:
        """Returns what a role gives; one that does not exist gives nothing."""
        return BUILT_IN.get(role) or self.roles.get(role, ())

    def roles_granting(self, permission: str) -> frozenset[str]:
        """Returns the ids of all roles that give a permission."""
        return frozenset(role for role in (*BUILT_IN, *self.roles) if grants(self.grants_of(role), permission))

    def bindings_granting(self, permission: str) -> Iterator[Binding]:
        """Yields the bindings that give a permission, those that KEA comes with among them."""
        granting = self.roles_granting(permission)
        return (binding for binding in self._all_bindings() if binding.role in granting)

    def is_revoked(self, caller: Principal) -> bool:
        """Whether the caller's token, or what it was made with, or its account, is refused."""
        return not self.revoked.isdisjoint(caller.token_ids)

    def decide(self, caller: Principal, permission: str, resource: str = PLATFORM) -> Decision:
        """Returns whether a caller has a permission on a resource."""
        above = frozenset(lineage(resource))
        for binding in self._giving(caller, permission):
            if binding.resource in above:
                return Decision(self.in_scope(caller, permission), binding)
        return Decision(allowed=False, binding=None)

    def anywhere(self, caller: Principal, permission: str) -> bool:
        """Whether a caller has a permission on any resource at all."""
        return self.in_scope(caller, permission) and next(self._giving(caller, permission), None) is not None

    def visible(self, caller: Principal, permission: str, parent: str) -> Visible:
        """Returns which resources under `parent` a caller has a permission on."""
        if self.decide(caller, permission, parent).allowed:
            return ALL
        if not self.in_scope(caller, permission):
            return Visible(frozenset())
        bound = (binding.resource for binding in self._giving(caller, permission))
        return Visible(frozenset(name for name in bound if is_under(name, parent)))

    def in_scope(self, caller: Principal, permission: str) -> bool:
        """Whether the scopes of the caller's token, if any, contain a permission."""
        return not caller.scopes or any(grants(self.grants_of(role), permission) for role in caller.scopes)

    def may_give(self, caller: Principal, wanted: Iterable[str], resource: str = PLATFORM) -> bool:
        """Whether a caller has all of these grants on a resource, so that it could give them to another."""
        above = frozenset(lineage(resource))
        held = [
            grant
            for binding in self._bindings_of(caller)
            if binding.resource in above
            for grant in self.grants_of(binding.role)
        ]
        scoped = [grant for role in caller.scopes for grant in self.grants_of(role)]
        asked = tuple(wanted)
        return covers(held, asked) and (not caller.scopes or covers(scoped, asked))

    def _all_bindings(self) -> Iterator[Binding]:
        return chain(BUILT_IN_BINDINGS, self.bindings.values())

    def _giving(self, caller: Principal, permission: str) -> Iterator[Binding]:
        for binding in self._bindings_of(caller):
            if grants(self.grants_of(binding.role), permission):
                yield binding

    def _bindings_of(self, caller: Principal) -> Iterator[Binding]:
        for member in (caller.subject, EVERYONE, *(f"groups/{group}" for group in sorted(caller.groups))):
            yield from self._of_member.get(member, ())
