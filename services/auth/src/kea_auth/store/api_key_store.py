"""API keys in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from kea_core.audit_call import changed
from kea_core.clock import as_utc
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.domain.api_key import ApiKey
from kea_auth.store.tables import API_KEYS


class SqlApiKeyStore:
    """`ApiKeyStore` within one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, key: str) -> ApiKey | None:
        """Returns the key of an id."""
        return next(iter(await self._read(sa.select(API_KEYS).where(API_KEYS.c.api_key == key))), None)

    async def of_account(self, account: str) -> list[ApiKey]:
        """Returns all keys of an account, newest first."""
        query = sa.select(API_KEYS).where(API_KEYS.c.service_account == account)
        return await self._read(query.order_by(API_KEYS.c.create_time.desc(), API_KEYS.c.api_key))

    async def add(self, key: ApiKey) -> None:
        """Adds a key."""
        row = {
            "api_key": key.id,
            "service_account": key.account,
            "description": key.description,
            "scopes": list(key.scopes),
            "kid": key.kid,
            "create_time": key.create_time,
            "expire_time": key.expire_time,
            "revoke_time": key.revoke_time,
        }
        changed(f"serviceAccounts/{key.account}/apiKeys/{key.id}")
        await self._session.execute(sa.insert(API_KEYS).values(row))

    async def save(self, key: ApiKey) -> None:
        """Writes what can change of a key."""
        changed(f"serviceAccounts/{key.account}/apiKeys/{key.id}")
        update = sa.update(API_KEYS).where(API_KEYS.c.api_key == key.id)
        await self._session.execute(update.values(revoke_time=key.revoke_time))

    async def remove_of(self, account: str) -> None:
        """Removes all keys of an account."""
        await self._session.execute(sa.delete(API_KEYS).where(API_KEYS.c.service_account == account))

    async def expired(self, before: datetime) -> bool:
        """Returns whether there are keys that expired before a moment."""
        query = sa.select(API_KEYS.c.api_key).where(API_KEYS.c.expire_time < before).limit(1)
        return (await self._session.execute(query)).first() is not None

    async def remove_expired(self, before: datetime) -> None:
        """Removes keys that expired before a moment."""
        await self._session.execute(sa.delete(API_KEYS).where(API_KEYS.c.expire_time < before))

    async def _read(self, query: sa.Select[Any]) -> list[ApiKey]:
        return [
            ApiKey(
                account=row.service_account,
                id=row.api_key,
                description=row.description,
                scopes=tuple(row.scopes),
                kid=row.kid,
                create_time=as_utc(row.create_time),
                expire_time=as_utc(row.expire_time),
                revoke_time=None if row.revoke_time is None else as_utc(row.revoke_time),
            )
            for row in await self._session.execute(query)
        ]


async def needed_signing_keys(session: AsyncSession) -> dict[str, datetime]:
    """Returns when the last key that is not revoked expires, by the `kid` of the key that signed it."""
    last = sa.func.max(API_KEYS.c.expire_time).label("last")
    query = sa.select(API_KEYS.c.kid, last).where(API_KEYS.c.revoke_time.is_(None)).group_by(API_KEYS.c.kid)
    return {row.kid: as_utc(row.last) for row in await session.execute(query)}
