"""Sessions in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from kea_core.audit_call import changed
from kea_core.clock import as_utc
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.login.grant import grant_from_json
from kea_auth.login.session import Session
from kea_auth.store.tables import SESSIONS

TABLE = SESSIONS


class SqlSessionStore:
    """`SessionStore` within one session of the database's."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, session: str) -> Session | None:
        """Returns a session."""
        return next(iter(await self._read(sa.select(TABLE).where(TABLE.c.session == session))), None)

    async def of_user(self, user: str) -> list[Session]:
        """Returns a user's sessions, the oldest first."""
        query = sa.select(TABLE).where(TABLE.c.user_id == user)
        return await self._read(query.order_by(TABLE.c.create_time, TABLE.c.session))

    async def add(self, session: Session) -> None:
        """Adds a session."""
        changed(f"sessions/{session.id}")
        await self._session.execute(sa.insert(TABLE).values({"session": session.id, **_values(session)}))

    async def save(self, session: Session) -> None:
        """Writes a session."""
        changed(f"sessions/{session.id}")
        await self._session.execute(sa.update(TABLE).where(TABLE.c.session == session.id).values(_values(session)))

    async def remove(self, session: str) -> None:
        """Removes a session."""
        changed(f"sessions/{session}", deleted=True)
        await self._session.execute(sa.delete(TABLE).where(TABLE.c.session == session))

    async def remove_expired(self, now: datetime) -> None:
        """Removes sessions that have expired."""
        await self._session.execute(sa.delete(TABLE).where(TABLE.c.expire_time < now))

    async def _read(self, query: sa.Select[Any]) -> list[Session]:
        return [
            Session(
                id=row.session,
                user=row.user_id,
                provider=row.provider,
                client=row.client,
                family_hash=row.family_hash,
                secret_hash=row.secret_hash,
                previous_hash=row.previous_hash,
                rotate_time=as_utc(row.rotate_time),
                create_time=as_utc(row.create_time),
                expire_time=as_utc(row.expire_time),
                grant=grant_from_json(row.provider_grant),
            )
            for row in await self._session.execute(query)
        ]


def _values(session: Session) -> dict[str, Any]:
    return {
        "user_id": session.user,
        "provider": session.provider,
        "client": session.client,
        "family_hash": session.family_hash,
        "secret_hash": session.secret_hash,
        "previous_hash": session.previous_hash,
        "rotate_time": session.rotate_time,
        "create_time": session.create_time,
        "expire_time": session.expire_time,
        "provider_grant": session.grant.to_json(),
    }
