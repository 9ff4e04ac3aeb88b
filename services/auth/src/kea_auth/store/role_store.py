"""Roles in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from kea_core.change_feed import ChangeFeed
from kea_core.clock import as_utc
from kea_core.pages import Page
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.domain.role import Role, role_name
from kea_auth.store.tables import POLICY, ROLES


class SqlRoleStore:
    """`RoleStore` within one session."""

    def __init__(self, session: AsyncSession, feed: ChangeFeed) -> None:
        self._session = session
        self._feed = feed

    async def get(self, role_id: str) -> Role | None:
        """Returns a role."""
        return next(iter(await self.among([role_id])), None)

    async def among(self, ids: Collection[str]) -> list[Role]:
        """Returns the roles of some ids that are there."""
        return await self._read(sa.select(ROLES).where(ROLES.c.role.in_(sorted(ids))))

    async def page(self, page: Page) -> list[Role]:
        """Returns up to `page.size` + 1 roles by id."""
        query = sa.select(ROLES).where(ROLES.c.role > page.after).order_by(ROLES.c.role)
        return await self._read(query.limit(page.size + 1))

    async def count(self) -> int:
        """Returns how many there are."""
        return (await self._session.execute(sa.select(sa.func.count()).select_from(ROLES))).scalar_one()

    async def grants(self, ids: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Returns what the roles of some ids give; those that are not there are left out."""
        return {role.id: role.permissions for role in await self.among(ids)} if ids else {}

    async def add(self, role: Role) -> None:
        """Adds a role."""
        await self._session.execute(sa.insert(ROLES).values({"role": role.id, **_values(role)}))
        await self._feed.record(self._session, POLICY, role.name)

    async def save(self, role: Role) -> None:
        """Writes a role."""
        await self._session.execute(sa.update(ROLES).where(ROLES.c.role == role.id).values(_values(role)))
        await self._feed.record(self._session, POLICY, role.name)

    async def remove(self, role_id: str) -> None:
        """Removes a role."""
        await self._session.execute(sa.delete(ROLES).where(ROLES.c.role == role_id))
        await self._feed.record(self._session, POLICY, role_name(role_id), deleted=True)

    async def _read(self, query: sa.Select[Any]) -> list[Role]:
        return [
            Role(
                id=row.role,
                permissions=tuple(row.permissions),
                description=row.description,
                create_time=as_utc(row.create_time),
                update_time=as_utc(row.update_time),
                revision=row.revision,
            )
            for row in await self._session.execute(query)
        ]


def _values(role: Role) -> dict[str, Any]:
    return {
        "description": role.description,
        "permissions": list(role.permissions),
        "revision": role.revision,
        "create_time": role.create_time,
        "update_time": role.update_time,
    }
