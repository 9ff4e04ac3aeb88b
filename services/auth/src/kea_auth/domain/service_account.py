"""A service account: who a program is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kea_core.errors import EtagMismatch
from kea_core.roles import SERVICE_ACCOUNTS

from kea_auth.domain.description import checked
from kea_auth.domain.errors import ServiceAccountReserved

CHANGEABLE = ("description", "disabled")
MAX_ACCOUNTS = 10_000
"""Service accounts there can be."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account as it is between two changes."""

    id: str
    uid: str
    """Unique for ever; all its tokens carry it."""
    description: str
    disabled: bool
    create_time: datetime
    update_time: datetime
    revision: int = 1

    @property
    def name(self) -> str:
        """Resource name, and the subject of its tokens."""
        return account_name(self.id)

    @property
    def etag(self) -> str:
        """Changes with every change, and is another after the account was deleted and made anew."""
        return f"{int(self.create_time.timestamp() * 1_000_000):x}-{self.revision:x}"

    def check_etag(self, etag: str) -> None:
        """Checks that the caller knows this account as it is; the empty etag always fits.

        Raises:
            EtagMismatch: the caller knows an older one.
        """
        if etag and etag != self.etag:
            raise EtagMismatch(self.name)

    def changed(self, now: datetime, **changes: Any) -> ServiceAccount:
        """Returns the account after a change."""
        return replace(self, revision=self.revision + 1, update_time=max(now, self.update_time), **changes)


def account_name(account: str) -> str:
    """Returns a service account's resource name."""
    return f"serviceAccounts/{account}"


def new_account(account: str, uid: str, now: datetime, description: str, *, disabled: bool) -> ServiceAccount:
    """Returns a service account that is new.

    Raises:
        ServiceAccountReserved: one of KEA's own services uses the account of that id.
    """
    if account in SERVICE_ACCOUNTS:
        raise ServiceAccountReserved(account)
    return ServiceAccount(account, uid, checked("service_account.description", description), disabled, now, now)
