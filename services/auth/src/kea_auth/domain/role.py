"""A role: a set of permissions under a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kea_core.errors import EtagMismatch, FieldOutOfBounds, FieldViolation
from kea_core.roles import BUILT_IN

from kea_auth.domain.description import checked

OF_SERVICES = "service-"
"""What ids of roles begin with that only KEA's own services have; nobody else sees or gives them."""
CHANGEABLE = ("description", "permissions")
MAX_ROLES = 1_000
"""Roles that can be made: all who decide hold all of them."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role as it is between two changes."""

    id: str
    permissions: tuple[str, ...]
    description: str = ""
    create_time: datetime | None = None
    """None where KEA comes with it."""
    update_time: datetime | None = None
    revision: int = 1

    @property
    def name(self) -> str:
        """Resource name."""
        return role_name(self.id)

    @property
    def built_in(self) -> bool:
        """Whether KEA comes with it."""
        return self.create_time is None

    @property
    def etag(self) -> str:
        """Changes with every change, and is another after the role was deleted and made anew."""
        return (
            "" if self.create_time is None else f"{int(self.create_time.timestamp() * 1_000_000):x}-{self.revision:x}"
        )

    def check_etag(self, etag: str) -> None:
        """Checks that the caller knows this role as it is; the empty etag always fits.

        Raises:
            EtagMismatch: the caller knows an older one.
        """
        if etag and etag != self.etag:
            raise EtagMismatch(self.name)

    def changed(self, now: datetime, **changes: Any) -> Role:
        """Returns the role after a change."""
        return replace(self, revision=self.revision + 1, update_time=max(now, self.update_time or now), **changes)


DESCRIPTIONS = {
    "admin": "May do everything.",
    "auditor": "Sees everything, and who did what.",
    "consumer": "Calls models, and sees the endpoints that it may call.",
    "engineer": "Makes and runs models, deployments and endpoints.",
    "operator": "Runs deployments and endpoints of what others have made, and calls none.",
    "viewer": "Sees everything but who did what.",
}
BUILT_IN_ROLES = {
    role: Role(role, permissions, DESCRIPTIONS.get(role, ""))
    for role, permissions in sorted(BUILT_IN.items())
    if not role.startswith(OF_SERVICES)
}
"""The roles that KEA comes with and that anybody can have, by id."""


def role_name(role_id: str) -> str:
    """Returns a role's resource name."""
    return f"roles/{role_id}"


def new_role(role_id: str, now: datetime, permissions: Sequence[str], description: str) -> Role:
    """Returns a role that is new.

    Raises:
        FieldOutOfBounds: the id is one that only roles of KEA's own services have.
    """
    if role_id.startswith(OF_SERVICES):
        description = f"begins with {OF_SERVICES!r}, as roles of KEA's own services do; expected another"
        raise FieldOutOfBounds([FieldViolation("role_id", description)])
    return Role(role_id, checked_permissions(permissions), checked("role.description", description), now, now)


def checked_permissions(permissions: Sequence[str]) -> tuple[str, ...]:
    """Returns permissions, each once, in the order in which they are given.

    Raises:
        FieldOutOfBounds: there are none.
    """
    if not permissions:
        raise FieldOutOfBounds([FieldViolation("role.permissions", "is empty; expected at least one")])
    return tuple(dict.fromkeys(permissions))
