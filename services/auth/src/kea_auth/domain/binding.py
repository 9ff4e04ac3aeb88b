"""A binding: who has which role on what."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from kea_core import policy

MAX_BINDINGS = 20_000
"""Bindings there can be: all who decide hold all of them."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Gives a role to a member, on a resource and all under it. It never changes."""

    member: str
    """`users/…`, `groups/…`, `serviceAccounts/…` or `everyone`."""
    role: str
    """Id of the role."""
    resource: str
    """Empty: the whole platform."""
    create_time: datetime
    creator: str

    @property
    def id(self) -> str:
        """The same for all that say the same."""
        return binding_id(self.member, self.role, self.resource)

    @property
    def name(self) -> str:
        """Resource name."""
        return binding_name(self.id)

    def as_policy(self) -> policy.Binding:
        """Returns what decisions need of it."""
        return policy.Binding(self.member, self.role, self.resource, self.name)


def binding_id(member: str, role: str, resource: str) -> str:
    """Returns the id of the binding that says this; of the three only the first, a group, can have a `|` in it."""
    return "b" + hashlib.sha256(f"{member}|{role}|{resource}".encode()).hexdigest()[:24]


def binding_name(binding: str) -> str:
    """Returns a binding's resource name."""
    return f"bindings/{binding}"
