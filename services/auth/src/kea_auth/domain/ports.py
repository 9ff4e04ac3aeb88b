"""What auth's domain needs of the world."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kea_core.pages import Page
from kea_core.policy import Policy
from kea_core.principal import Principal

from kea_auth.domain.api_key import ApiKey
from kea_auth.domain.binding import Binding
from kea_auth.domain.revocation import Revocation
from kea_auth.domain.role import Role
from kea_auth.domain.service_account import ServiceAccount
from kea_auth.domain.signing_key import SigningKey


class KeyTransaction(Protocol):
    """The keys within one transaction."""

    async def keys(self) -> list[SigningKey]:
        """Returns all keys."""
        ...

    async def needed(self) -> Mapping[str, datetime]:
        """Returns when the last API key that is not revoked expires, by the `kid` of the key that signed it."""
        ...

    async def add(self, key: SigningKey) -> None:
        """Adds a key.

        Raises:
            SigningKeyRaced: another transaction added one of the same number; this one can only be given up.
        """
        ...

    async def remove(self, key: SigningKey) -> None:
        """Removes a key; that it is gone already is no error."""
        ...


class KeyStore(Protocol):
    """Where keys are kept; several processes may share it."""

    def transaction(self) -> AbstractAsyncContextManager[KeyTransaction]:
        """Runs a transaction that commits at the end and rolls back on any exception."""
        ...

    async def keys(self) -> list[SigningKey]:
        """Returns all keys."""
        ...

    async def needed(self) -> Mapping[str, datetime]:
        """Returns when the last API key that is not revoked expires, by the `kid` of the key that signed it."""
        ...

    def watch(self, since: int) -> AsyncIterator[int]:
        """Yields a revision after each change of the keys, from whatever process; after 0 also at once."""
        ...


class Signer(Protocol):
    """Knows the keys that sign."""

    async def active(self) -> SigningKey:
        """Returns the key that signs now."""
        ...

    async def get(self, kid: str) -> SigningKey:
        """Returns a key that is kept."""
        ...


class Credentials(Protocol):
    """Secrets of service accounts."""

    async def secret(self, account: str) -> str | None:
        """Returns an account's secret, or None where it has none that can be trusted."""
        ...


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a request the same as an earlier one (AIP-155)."""

    request_id: str
    """Empty: it is like no other."""
    digest: str


class Requests(Protocol):
    """Requests that were done within the last day."""

    async def result(self, once: Once) -> str | None:
        """Returns the name of what the same request made, or None where it is new."""
        ...

    async def remember(self, once: Once, result: str) -> None:
        """Notes what a request made."""
        ...


class RoleStore(Protocol):
    """Roles within a transaction, those that KEA comes with left out."""

    async def get(self, role_id: str) -> Role | None:
        """Returns a role."""
        ...

    async def page(self, page: Page) -> list[Role]:
        """Returns up to `page.size` + 1 roles by id: one more tells that there is a next page."""
        ...

    async def count(self) -> int:
        """Returns how many there are."""
        ...

    async def add(self, role: Role) -> None:
        """Adds a role whose id is free."""
        ...

    async def save(self, role: Role) -> None:
        """Writes a role that is there."""
        ...

    async def remove(self, role_id: str) -> None:
        """Removes a role that is there."""
        ...


class BindingStore(Protocol):
    """Bindings within a transaction."""

    async def get(self, binding: str) -> Binding | None:
        """Returns the binding of an id."""
        ...

    async def page(self, page: Page, resource: str, member: str) -> list[Binding]:
        """Returns up to `page.size` + 1 bindings by id, on a resource and under it, of a member; empty: of all."""
        ...

    async def of_member(self, member: str) -> list[Binding]:
        """Returns all bindings of a member, by id."""
        ...

    async def gives(self, role_id: str) -> bool:
        """Returns whether any binding gives a role."""
        ...

    async def count(self) -> int:
        """Returns how many there are."""
        ...

    async def add(self, binding: Binding) -> None:
        """Adds a binding that is not there."""
        ...

    async def remove(self, binding: str) -> None:
        """Removes a binding that is there."""
        ...


class ServiceAccountStore(Protocol):
    """Service accounts within a transaction."""

    async def get(self, account: str) -> ServiceAccount | None:
        """Returns a service account."""
        ...

    async def page(self, page: Page) -> list[ServiceAccount]:
        """Returns up to `page.size` + 1 service accounts by id."""
        ...

    async def count(self) -> int:
        """Returns how many there are."""
        ...

    async def add(self, account: ServiceAccount) -> None:
        """Adds a service account whose id is free."""
        ...

    async def save(self, account: ServiceAccount) -> None:
        """Writes a service account that is there."""
        ...

    async def remove(self, account: str) -> None:
        """Removes a service account that is there and has no keys."""
        ...


class ApiKeyStore(Protocol):
    """API keys within a transaction."""

    async def get(self, key: str) -> ApiKey | None:
        """Returns the key of an id."""
        ...

    async def of_account(self, account: str) -> list[ApiKey]:
        """Returns all keys of an account, newest first."""
        ...

    async def add(self, key: ApiKey) -> None:
        """Adds a key."""
        ...

    async def save(self, key: ApiKey) -> None:
        """Writes a key that is there."""
        ...

    async def remove_of(self, account: str) -> None:
        """Removes all keys of an account."""
        ...

    async def expired(self, before: datetime) -> bool:
        """Returns whether there are keys that expired before a moment."""
        ...

    async def remove_expired(self, before: datetime) -> None:
        """Removes keys that expired before a moment."""
        ...


class RevocationStore(Protocol):
    """Revocations within a transaction."""

    async def get(self, revoked: str) -> Revocation | None:
        """Returns the revocation of an id."""
        ...

    async def count_by(self, creator: str) -> int:
        """Returns how many a subject has made."""
        ...

    async def expired(self, now: datetime, most: int) -> list[str]:
        """Returns ids of some that have expired."""
        ...

    async def put(self, revocation: Revocation) -> None:
        """Writes a revocation, in place of that of the same id."""
        ...

    async def remove(self, revoked: str) -> None:
        """Removes a revocation; that there is none is no error."""
        ...


class Transaction(Protocol):
    """Everything within one transaction."""

    @property
    def roles(self) -> RoleStore:
        """Roles."""
        ...

    @property
    def bindings(self) -> BindingStore:
        """Bindings."""
        ...

    @property
    def accounts(self) -> ServiceAccountStore:
        """Service accounts."""
        ...

    @property
    def api_keys(self) -> ApiKeyStore:
        """API keys."""
        ...

    @property
    def revocations(self) -> RevocationStore:
        """Revocations."""
        ...

    @property
    def requests(self) -> Requests:
        """Requests seen."""
        ...

    async def policy_of(self, caller: Principal) -> Policy:
        """Returns all of the policy that decisions on one caller need, as it is in this transaction."""
        ...

    async def grants(self, roles: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Returns what roles that are not built in give, by id; those that are not there are left out."""
        ...


class Storage(Protocol):
    """Where all of it is kept; several processes may share it."""

    def transaction(self, *, commit: bool = True) -> AbstractAsyncContextManager[Transaction]:
        """Runs a transaction that commits at the end, without `commit` not even then, and rolls back on any exception.

        Nobody else writes before it ends. When it has committed, this process decides by what it wrote.
        """
        ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """Runs a transaction that only reads."""
        ...


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A change of the policy. With none of its parts: everything up to `revision` has been told."""

    revision: int
    role: Role | None = None
    binding: Binding | None = None
    revoked: str | None = None
    """Id of a revocation that is new."""
    deleted: str | None = None
    """Name of the role, binding or revocation that is gone."""

    @property
    def synced(self) -> bool:
        """Whether everything up to `revision` has been told."""
        return self.role is None and self.binding is None and self.revoked is None and self.deleted is None


class PolicyStore(Protocol):
    """The policy of all processes on one database."""

    def watch(self, since: int) -> AsyncGenerator[PolicyChange, None]:
        """Yields every change of the policy after a revision, from whatever process, for ever.

        Raises:
            RevisionExpired: changes after it are not all known any more.
        """
        ...
