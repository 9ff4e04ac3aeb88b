"""Use cases of roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kea_core.clock import Clock
from kea_core.pages import Page
from kea_core.permission import grants
from kea_core.policy import PLATFORM
from kea_core.principal import Principal

from kea_auth.domain.description import checked
from kea_auth.domain.errors import RoleBound, RoleBuiltIn, RoleExists, RoleNotFound, RolesExhausted
from kea_auth.domain.escalation import check_may_give
from kea_auth.domain.ports import Once, Storage, Transaction
from kea_auth.domain.role import BUILT_IN_ROLES, MAX_ROLES, Role, checked_permissions, role_name


class Roles:
    """Makes, reads, changes and deletes roles. `dry` checks everything and changes nothing."""

    def __init__(self, storage: Storage, *, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(self, role: Role, caller: Principal, once: Once, *, dry: bool) -> Role:
        """Makes a role; the same request again gives the first answer again.

        Raises:
            RoleExists: there is one of that id.
            RoleNotHeld: it has permissions that the caller does not have.
            RolesExhausted: there are too many.
        """
        async with self._storage.transaction(commit=not dry) as transaction:
            if await transaction.requests.result(once) is not None:
                return await found(transaction, role.id)
            if role.id in BUILT_IN_ROLES or await transaction.roles.get(role.id) is not None:
                raise RoleExists(role.name)
            check_may_give(await transaction.policy_of(caller), caller, role.permissions, PLATFORM)
            if await transaction.roles.count() >= MAX_ROLES:
                raise RolesExhausted(MAX_ROLES)
            await transaction.roles.add(role)
            await transaction.requests.remember(once, role.name)
            return role

    async def get(self, role_id: str) -> Role:
        """Returns a role.

        Raises:
            RoleNotFound: there is none.
        """
        async with self._storage.reading() as transaction:
            return await found(transaction, role_id)

    async def page(self, page: Page) -> tuple[list[Role], str]:
        """Returns roles by id, those that KEA comes with among them, and the last one's id where there are more."""
        async with self._storage.reading() as transaction:
            made = await transaction.roles.page(page)
        built_in = [role for role in BUILT_IN_ROLES.values() if role.id > page.after]
        roles = sorted([*made, *built_in], key=lambda role: role.id)
        shown = roles[: page.size]
        return shown, shown[-1].id if len(roles) > page.size else ""

    async def update(
        self, role_id: str, changes: Mapping[str, Any], etag: str, caller: Principal, *, dry: bool
    ) -> Role:
        """Changes what a role is for and what it gives.

        Raises:
            RoleNotFound: there is none.
            RoleBuiltIn: KEA comes with it.
            EtagMismatch: it has changed since the caller read it.
            RoleNotHeld: it would give more than before, which the caller does not have.
        """
        values = dict(changes)
        if "description" in values:
            values["description"] = checked("role.description", values["description"])
        if "permissions" in values:
            values["permissions"] = checked_permissions(values["permissions"])
        async with self._storage.transaction(commit=not dry) as transaction:
            role = await changeable(transaction, role_id, etag)
            changed = role.changed(self._clock(), **values)
            added = [grant for grant in changed.permissions if not grants(role.permissions, grant)]
            check_may_give(await transaction.policy_of(caller), caller, added, PLATFORM)
            await transaction.roles.save(changed)
            return changed

    async def delete(self, role_id: str, etag: str, *, dry: bool) -> None:
        """Deletes a role that no binding gives.

        Raises:
            RoleNotFound: there is none.
            RoleBuiltIn: KEA comes with it.
            EtagMismatch: it has changed since the caller read it.
            RoleBound: bindings give it.
        """
        async with self._storage.transaction(commit=not dry) as transaction:
            role = await changeable(transaction, role_id, etag)
            if await transaction.bindings.gives(role_id):
                raise RoleBound(role.name)
            await transaction.roles.remove(role_id)


async def found(transaction: Transaction, role_id: str) -> Role:
    """Returns a role, KEA's own or another.

    Raises:
        RoleNotFound: there is none, or only KEA's own services have it.
    """
    role = BUILT_IN_ROLES.get(role_id) or await transaction.roles.get(role_id)
    if role is None:
        raise RoleNotFound(role_name(role_id))
    return role


async def changeable(transaction: Transaction, role_id: str, etag: str) -> Role:
    """Returns a role that can be changed, where it is as the caller knows it.

    Raises:
        RoleNotFound: there is none.
        RoleBuiltIn: KEA comes with it.
        EtagMismatch: it has changed since the caller read it.
    """
    role = await found(transaction, role_id)
    if role.built_in:
        raise RoleBuiltIn(role.name)
    role.check_etag(etag)
    return role
