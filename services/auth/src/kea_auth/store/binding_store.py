"""Bindings in the database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from kea_core.change_feed import ChangeFeed
from kea_core.clock import as_utc
from kea_core.pages import Page
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.domain.binding import Binding, binding_name
from kea_auth.store.tables import BINDINGS, POLICY


class SqlBindingStore:
    """`BindingStore` within one session."""

    def __init__(self, session: AsyncSession, feed: ChangeFeed) -> None:
        self._session = session
        self._feed = feed

    async def get(self, binding: str) -> Binding | None:
        """Returns the binding of an id."""
        return next(iter(await self.among([binding])), None)

    async def among(self, ids: Collection[str]) -> list[Binding]:
        """Returns the bindings of some ids that are there."""
        return await self._read(sa.select(BINDINGS).where(BINDINGS.c.binding.in_(sorted(ids))))

    async def page(self, page: Page, resource: str, member: str) -> list[Binding]:
        """Returns up to `page.size` + 1 bindings by id, on a resource and under it, of a member."""
        query = sa.select(BINDINGS).where(BINDINGS.c.binding > page.after)
        if resource:
            # What begins with `resource/`, in the order of bytes, where `0` is what follows `/`. SQLite's LIKE would
            # not tell large letters from small ones.
            under = sa.and_(BINDINGS.c.resource > f"{resource}/", BINDINGS.c.resource < f"{resource}0")
            query = query.where(sa.or_(BINDINGS.c.resource == resource, under))
        if member:
            query = query.where(BINDINGS.c.member == member)
        return await self._read(query.order_by(BINDINGS.c.binding).limit(page.size + 1))

    async def of_member(self, member: str) -> list[Binding]:
        """Returns all bindings of a member."""
        return await self.of_members([member])

    async def of_members(self, members: Collection[str]) -> list[Binding]:
        """Returns all bindings of some members, by id."""
        query = sa.select(BINDINGS).where(BINDINGS.c.member.in_(sorted(members)))
        return await self._read(query.order_by(BINDINGS.c.binding))

    async def gives(self, role_id: str) -> bool:
        """Returns whether any binding gives a role."""
        query = sa.select(BINDINGS.c.binding).where(BINDINGS.c.role == role_id).limit(1)
        return (await self._session.execute(query)).first() is not None

    async def count(self) -> int:
        """Returns how many there are."""
        return (await self._session.execute(sa.select(sa.func.count()).select_from(BINDINGS))).scalar_one()

    async def add(self, binding: Binding) -> None:
        """Adds a binding."""
        row = {
            "binding": binding.id,
            "member": binding.member,
            "role": binding.role,
            "resource": binding.resource,
            "create_time": binding.create_time,
            "creator": binding.creator,
        }
        await self._session.execute(sa.insert(BINDINGS).values(row))
        await self._feed.record(self._session, POLICY, binding.name)

    async def remove(self, binding: str) -> None:
        """Removes a binding."""
        await self._session.execute(sa.delete(BINDINGS).where(BINDINGS.c.binding == binding))
        await self._feed.record(self._session, POLICY, binding_name(binding), deleted=True)

    async def _read(self, query: sa.Select[Any]) -> list[Binding]:
        return [
            Binding(
                member=row.member,
                role=row.role,
                resource=row.resource,
                create_time=as_utc(row.create_time),
                creator=row.creator,
            )
            for row in await self._session.execute(query)
        ]
