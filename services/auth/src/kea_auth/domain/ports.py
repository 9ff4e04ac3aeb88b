"""What auth's domain needs of the world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from kea_auth.domain.signing_key import SigningKey


class KeyTransaction(Protocol):
    """The keys within one transaction."""

    async def keys(self) -> list[SigningKey]:
        """Returns all keys."""
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

    def watch(self, since: int) -> AsyncIterator[int]:
        """Yields a revision after each change of the keys, from whatever process; after 0 also at once."""
        ...


class Signer(Protocol):
    """Knows the key that signs."""

    async def active(self) -> SigningKey:
        """Returns the key that signs now."""
        ...


class Credentials(Protocol):
    """Secrets of service accounts."""

    async def secret(self, account: str) -> str | None:
        """Returns an account's secret, or None where it has none that can be trusted."""
        ...
