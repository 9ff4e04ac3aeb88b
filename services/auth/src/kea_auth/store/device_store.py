"""Device grants in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from kea_core.clock import as_utc
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.login.device import DeviceGrant, DeviceState
from kea_auth.store.tables import DEVICES

TABLE = DEVICES


class SqlDeviceStore:
    """`DeviceStore` within one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, device_hash: str) -> DeviceGrant | None:
        """Returns a grant by the digest of its device code."""
        return await self._one(sa.select(TABLE).where(TABLE.c.device_hash == device_hash))

    async def of_user_code(self, user_code: str) -> DeviceGrant | None:
        """Returns a grant by its user code."""
        return await self._one(sa.select(TABLE).where(TABLE.c.user_code == user_code))

    async def count(self) -> int:
        """Returns how many there are."""
        return (await self._session.execute(sa.select(sa.func.count()).select_from(TABLE))).scalar_one()

    async def add(self, grant: DeviceGrant) -> None:
        """Adds a grant."""
        await self._session.execute(sa.insert(TABLE).values({"device_hash": grant.device_hash, **_values(grant)}))

    async def save(self, grant: DeviceGrant) -> None:
        """Writes a grant."""
        update = sa.update(TABLE).where(TABLE.c.device_hash == grant.device_hash)
        await self._session.execute(update.values(_values(grant)))

    async def remove(self, device_hash: str) -> None:
        """Removes a grant."""
        await self._session.execute(sa.delete(TABLE).where(TABLE.c.device_hash == device_hash))

    async def remove_expired(self, now: datetime) -> None:
        """Removes grants that have expired."""
        await self._session.execute(sa.delete(TABLE).where(TABLE.c.expire_time < now))

    async def _one(self, query: sa.Select[Any]) -> DeviceGrant | None:
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        return DeviceGrant(
            device_hash=row.device_hash,
            user_code=row.user_code,
            client=row.client,
            state=DeviceState(row.state),
            user=row.user_id,
            provider=row.provider,
            grant=row.provider_grant,
            interval_seconds=row.interval_seconds,
            poll_time=None if row.poll_time is None else as_utc(row.poll_time),
            expire_time=as_utc(row.expire_time),
        )


def _values(grant: DeviceGrant) -> dict[str, Any]:
    return {
        "user_code": grant.user_code,
        "client": grant.client,
        "state": grant.state.value,
        "user_id": grant.user,
        "provider": grant.provider,
        "provider_grant": grant.grant,
        "interval_seconds": grant.interval_seconds,
        "poll_time": grant.poll_time,
        "expire_time": grant.expire_time,
    }
