"""Use cases of service accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kea_core.clock import Clock
from kea_core.pages import Page
from kea_core.principal import Principal

from kea_auth.domain.claims import LONGEST_TTL, MARGIN
from kea_auth.domain.description import checked
from kea_auth.domain.errors import ServiceAccountExists, ServiceAccountNotFound, ServiceAccountsExhausted
from kea_auth.domain.ports import Once, Storage, Transaction
from kea_auth.domain.revocation import Revocation
from kea_auth.domain.service_account import MAX_ACCOUNTS, ServiceAccount, account_name


class ServiceAccounts:
    """Makes, reads, changes and deletes service accounts. `dry` checks everything and changes nothing."""

    def __init__(self, storage: Storage, *, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(self, account: ServiceAccount, caller: Principal, once: Once, *, dry: bool) -> ServiceAccount:
        """Makes a service account; the same request again gives the first answer again.

        Raises:
            ServiceAccountExists: there is one of that id.
            ServiceAccountsExhausted: there are too many.
        """
        async with self._storage.transaction(commit=not dry) as transaction:
            if await transaction.requests.result(once) is not None:
                return await found(transaction, account.id)
            if await transaction.accounts.get(account.id) is not None:
                raise ServiceAccountExists(account.name)
            if await transaction.accounts.count() >= MAX_ACCOUNTS:
                raise ServiceAccountsExhausted(MAX_ACCOUNTS)
            await transaction.accounts.add(account)
            if account.disabled:
                await self._refuse(transaction, account, caller)
            await transaction.requests.remember(once, account.name)
            return account

    async def get(self, account: str) -> ServiceAccount:
        """Returns a service account.

        Raises:
            ServiceAccountNotFound: there is none.
        """
        async with self._storage.reading() as transaction:
            return await found(transaction, account)

    async def is_disabled(self, account: str) -> bool:
        """Returns whether there is a service account of that id that is disabled."""
        async with self._storage.reading() as transaction:
            present = await transaction.accounts.get(account)
        return present is not None and present.disabled

    async def page(self, page: Page) -> tuple[list[ServiceAccount], str]:
        """Returns service accounts by id, and the last one's id where there are more."""
        async with self._storage.reading() as transaction:
            accounts = await transaction.accounts.page(page)
        shown = accounts[: page.size]
        return shown, shown[-1].id if len(accounts) > page.size else ""

    async def update(
        self, account: str, changes: Mapping[str, Any], etag: str, caller: Principal, *, dry: bool
    ) -> ServiceAccount:
        """Changes an account's description, or disables or enables it.

        Raises:
            ServiceAccountNotFound: there is none.
            EtagMismatch: it has changed since the caller read it.
        """
        values = dict(changes)
        if "description" in values:
            values["description"] = checked("service_account.description", values["description"])
        async with self._storage.transaction(commit=not dry) as transaction:
            present = await found(transaction, account, etag)
            changed = present.changed(self._clock(), **values)
            await transaction.accounts.save(changed)
            if changed.disabled and not present.disabled:
                await self._refuse(transaction, changed, caller)
            elif present.disabled and not changed.disabled:
                await transaction.revocations.remove(changed.uid)
            return changed

    async def delete(self, account: str, etag: str, caller: Principal, *, dry: bool) -> None:
        """Deletes an account with its keys and bindings; its tokens are refused from now on.

        Raises:
            ServiceAccountNotFound: there is none.
            EtagMismatch: it has changed since the caller read it.
        """
        async with self._storage.transaction(commit=not dry) as transaction:
            present = await found(transaction, account, etag)
            now = self._clock()
            for binding in await transaction.bindings.of_member(present.name):
                await transaction.bindings.remove(binding.id)
            keys = await transaction.api_keys.of_account(account)
            last = max([now + LONGEST_TTL, *(key.expire_time for key in keys)])
            await transaction.revocations.put(Revocation(present.uid, last + MARGIN, now, caller.subject))
            await transaction.api_keys.remove_of(account)
            await transaction.accounts.remove(account)

    async def _refuse(self, transaction: Transaction, account: ServiceAccount, caller: Principal) -> None:
        """Has all tokens of an account refused until that is taken back."""
        await transaction.revocations.put(Revocation(account.uid, None, self._clock(), caller.subject))


async def found(transaction: Transaction, account: str, etag: str = "") -> ServiceAccount:
    """Returns a service account, where it is there and as the caller knows it.

    Raises:
        ServiceAccountNotFound: there is none.
        EtagMismatch: it has changed since the caller read it.
    """
    present = await transaction.accounts.get(account)
    if present is None:
        raise ServiceAccountNotFound(account_name(account))
    present.check_etag(etag)
    return present
