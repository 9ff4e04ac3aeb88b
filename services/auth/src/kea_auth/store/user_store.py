"""Users in the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from kea_core.audit_call import changed
from kea_core.clock import as_utc
from kea_core.pages import Page
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.login.user import User
from kea_auth.store.tables import USERS

TABLE = USERS


class SqlUserStore:
    """`UserStore` within one session. Who decides needs to know of none of them, so no feed does."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, user: str) -> User | None:
        """Returns the user of an id."""
        return next(iter(await self._read(sa.select(TABLE).where(TABLE.c.user_id == user))), None)

    async def of_subject(self, issuer: str, subject: str) -> User | None:
        """Returns whom an identity provider calls this."""
        query = sa.select(TABLE).where(TABLE.c.issuer == issuer, TABLE.c.subject == subject)
        return next(iter(await self._read(query)), None)

    async def page(self, page: Page) -> list[User]:
        """Returns up to `page.size` + 1 users by id."""
        query = sa.select(TABLE).where(TABLE.c.user_id > page.after).order_by(TABLE.c.user_id)
        return await self._read(query.limit(page.size + 1))

    async def count(self) -> int:
        """Returns how many there are."""
        return (await self._session.execute(sa.select(sa.func.count()).select_from(TABLE))).scalar_one()

    async def add(self, user: User) -> None:
        """Adds a user."""
        changed(user.name)
        await self._session.execute(sa.insert(TABLE).values({"user_id": user.id, **_values(user)}))

    async def save(self, user: User) -> None:
        """Writes a user."""
        changed(user.name)
        await self._session.execute(sa.update(TABLE).where(TABLE.c.user_id == user.id).values(_values(user)))

    async def remove(self, user: str) -> None:
        """Removes a user."""
        changed(f"users/{user}", deleted=True)
        await self._session.execute(sa.delete(TABLE).where(TABLE.c.user_id == user))

    async def _read(self, query: sa.Select[Any]) -> list[User]:
        return [
            User(
                id=row.user_id,
                uid=row.uid,
                issuer=row.issuer or "",
                subject=row.subject or "",
                email=row.email,
                groups=tuple(row.groups),
                disabled=row.disabled,
                password_hash=row.password_hash,
                create_time=as_utc(row.create_time),
                update_time=as_utc(row.update_time),
                revision=row.revision,
            )
            for row in await self._session.execute(query)
        ]


def _values(user: User) -> dict[str, Any]:
    return {
        "uid": user.uid,
        # NULLs are all different: only who comes from a provider is known there by one name.
        "issuer": user.issuer or None,
        "subject": user.subject or None,
        "email": user.email,
        "groups": list(user.groups),
        "disabled": user.disabled,
        "password_hash": user.password_hash,
        "revision": user.revision,
        "create_time": user.create_time,
        "update_time": user.update_time,
    }
