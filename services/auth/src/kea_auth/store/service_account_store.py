"""Service accounts in the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from kea_core.audit_call import changed
from kea_core.clock import as_utc
from kea_core.pages import Page
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.domain.service_account import ServiceAccount
from kea_auth.store.tables import SERVICE_ACCOUNTS

TABLE = SERVICE_ACCOUNTS


class SqlServiceAccountStore:
    """`ServiceAccountStore` within one session. Who decides needs to know of none of them, so no feed does."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, account: str) -> ServiceAccount | None:
        """Returns a service account."""
        return next(iter(await self._read(sa.select(TABLE).where(TABLE.c.service_account == account))), None)

    async def page(self, page: Page) -> list[ServiceAccount]:
        """Returns up to `page.size` + 1 service accounts by id."""
        query = sa.select(TABLE).where(TABLE.c.service_account > page.after).order_by(TABLE.c.service_account)
        return await self._read(query.limit(page.size + 1))

    async def count(self) -> int:
        """Returns how many there are."""
        return (await self._session.execute(sa.select(sa.func.count()).select_from(TABLE))).scalar_one()

    async def add(self, account: ServiceAccount) -> None:
        """Adds a service account."""
        changed(f"serviceAccounts/{account.id}")
        await self._session.execute(sa.insert(TABLE).values({"service_account": account.id, **_values(account)}))

    async def save(self, account: ServiceAccount) -> None:
        """Writes a service account."""
        changed(f"serviceAccounts/{account.id}")
        update = sa.update(TABLE).where(TABLE.c.service_account == account.id)
        await self._session.execute(update.values(_values(account)))

    async def remove(self, account: str) -> None:
        """Removes a service account."""
        changed(f"serviceAccounts/{account}", deleted=True)
        await self._session.execute(sa.delete(TABLE).where(TABLE.c.service_account == account))

    async def _read(self, query: sa.Select[Any]) -> list[ServiceAccount]:
        return [
            ServiceAccount(
                id=row.service_account,
                uid=row.uid,
                description=row.description,
                disabled=row.disabled,
                create_time=as_utc(row.create_time),
                update_time=as_utc(row.update_time),
                revision=row.revision,
            )
            for row in await self._session.execute(query)
        ]


def _values(account: ServiceAccount) -> dict[str, Any]:
    return {
        "uid": account.uid,
        "description": account.description,
        "disabled": account.disabled,
        "revision": account.revision,
        "create_time": account.create_time,
        "update_time": account.update_time,
    }
