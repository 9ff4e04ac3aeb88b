"""What logging in needs of the world."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kea_core.pages import Page

from kea_auth.domain.ports import Transaction
from kea_auth.login.device import DeviceGrant
from kea_auth.login.grant import ProviderGrant
from kea_auth.login.identity import Identity
from kea_auth.login.session import Session
from kea_auth.login.user import User


class UserStore(Protocol):
    """Users within a transaction."""

    async def get(self, user: str) -> User | None:
        """Returns the user of an id."""
        ...

    async def of_subject(self, issuer: str, subject: str) -> User | None:
        """Returns whom an identity provider calls this."""
        ...

    async def page(self, page: Page) -> list[User]:
        """Returns up to `page.size` + 1 users by id."""
        ...

    async def count(self) -> int:
        """Returns how many there are."""
        ...

    async def add(self, user: User) -> None:
        """Adds a user whose id is free."""
        ...

    async def save(self, user: User) -> None:
        """Writes a user who is there."""
        ...

    async def remove(self, user: str) -> None:
        """Removes a user, who has no sessions."""
        ...


class SessionStore(Protocol):
    """Sessions within a transaction."""

    async def get(self, session: str) -> Session | None:
        """Returns a session."""
        ...

    async def of_user(self, user: str) -> list[Session]:
        """Returns a user's sessions, the oldest first."""
        ...

    async def add(self, session: Session) -> None:
        """Adds a session."""
        ...

    async def save(self, session: Session) -> None:
        """Writes a session that is there."""
        ...

    async def remove(self, session: str) -> None:
        """Removes a session; that it is gone is no error."""
        ...

    async def remove_expired(self, now: datetime) -> None:
        """Removes sessions that have expired."""
        ...


class DeviceStore(Protocol):
    """Device grants within a transaction."""

    async def get(self, device_hash: str) -> DeviceGrant | None:
        """Returns a grant by the digest of its device code."""
        ...

    async def of_user_code(self, user_code: str) -> DeviceGrant | None:
        """Returns a grant by its user code."""
        ...

    async def count(self) -> int:
        """Returns how many there are."""
        ...

    async def add(self, grant: DeviceGrant) -> None:
        """Adds a grant."""
        ...

    async def save(self, grant: DeviceGrant) -> None:
        """Writes a grant that is there."""
        ...

    async def remove(self, device_hash: str) -> None:
        """Removes a grant."""
        ...

    async def remove_expired(self, now: datetime) -> None:
        """Removes grants that have expired."""
        ...


class LoginTransaction(Transaction, Protocol):
    """Everything within one transaction, people among it."""

    @property
    def users(self) -> UserStore:
        """Users."""
        ...

    @property
    def sessions(self) -> SessionStore:
        """Sessions."""
        ...

    @property
    def devices(self) -> DeviceStore:
        """Device grants."""
        ...


class LoginStorage(Protocol):
    """Where all of it is kept; several processes may share it."""

    def transaction(self, *, commit: bool = True) -> AbstractAsyncContextManager[LoginTransaction]:
        """Runs a transaction, as `Storage.transaction` does."""
        ...

    def reading(self) -> AbstractAsyncContextManager[LoginTransaction]:
        """Runs a transaction that only reads."""
        ...


class PasswordHasher(Protocol):
    """Turns passwords into what may be kept of them."""

    async def hash(self, password: str) -> str:
        """Returns what is kept."""
        ...

    async def verify(self, kept: str, password: str) -> bool:
        """Returns whether it is the password; where nothing is kept it takes as long, and is not."""
        ...


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a provider says of somebody now."""

    identity: Identity
    grant: ProviderGrant


class GrantEnded(Exception):
    """The provider does not stand by what it has given any more."""


class Renewal(Protocol):
    """Asks identity providers about those who have logged in there."""

    async def renew(self, provider: str, grant: ProviderGrant) -> Renewed:
        """Returns what a provider says now.

        Raises:
            GrantEnded: it says nothing any more, or is none any more.
            TryLater: it does not answer.
            LoginRefused: it says what makes nobody.
        """
        ...
