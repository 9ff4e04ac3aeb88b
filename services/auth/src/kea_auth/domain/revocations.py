"""Use cases of revocations, and the end of what has expired."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from kea_core.clock import Clock
from kea_core.principal import Principal

from kea_auth.domain.api_key import KEPT, ApiKey
from kea_auth.domain.claims import LONGEST_TTL, MARGIN
from kea_auth.domain.errors import RevocationsExhausted
from kea_auth.domain.ports import Storage, Transaction
from kea_auth.domain.revocation import MAX_OF_OTHERS, MAX_OWN, Revocation

BATCH = 500
"""Expired revocations removed at once: nobody else writes meanwhile."""


class Revocations:
    """Revokes tokens."""

    def __init__(self, storage: Storage, *, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def revoke_own(self, caller: Principal) -> None:
        """Revokes the caller's token, and all that were made with it.

        Raises:
            RevocationsExhausted: the caller has revoked too many.
        """
        expires = datetime.fromtimestamp(caller.expires_at, UTC)  # nothing that was made with it outlives it
        await self._revoke(caller.token, expires + MARGIN, caller, MAX_OWN)

    async def revoke(self, token: str, caller: Principal) -> None:
        """Revokes the token of an id, and all that were made with it; where that is an API key's, revokes the key.

        Raises:
            RevocationsExhausted: the caller has revoked too many.
        """
        await self._revoke(token, self._clock() + LONGEST_TTL + MARGIN, caller, MAX_OF_OTHERS)

    async def upkeep(self) -> None:
        """Removes revocations that have expired, and API keys some time after they have."""
        while await self._is_anything_due():  # asked without keeping others from writing
            async with self._storage.transaction() as transaction:
                now = self._clock()
                await transaction.api_keys.remove_expired(now - KEPT)
                for revoked in await transaction.revocations.expired(now, BATCH):
                    await transaction.revocations.remove(revoked)

    async def _is_anything_due(self) -> bool:
        now = self._clock()
        async with self._storage.reading() as transaction:
            return bool(await transaction.revocations.expired(now, 1)) or await transaction.api_keys.expired(now - KEPT)

    async def _revoke(self, token: str, expires: datetime, caller: Principal, most: int) -> None:
        now = self._clock()
        async with self._storage.transaction() as transaction:
            key = await transaction.api_keys.get(token)
            if key is not None:
                await revoke_key(transaction, key, now, caller.subject)
                return
            present = await transaction.revocations.get(token)
            if present is None and await transaction.revocations.count_by(caller.subject) >= most:
                raise RevocationsExhausted(caller.subject, most)
            await transaction.revocations.put(Revocation(token, expires, now, caller.subject).lasting(present))


async def revoke_key(transaction: Transaction, key: ApiKey, now: datetime, creator: str) -> ApiKey:
    """Revokes an API key for good, and returns it; one that is revoked already stays as it is."""
    if key.revoke_time is not None:
        return key
    revoked = replace(key, revoke_time=now)
    await transaction.api_keys.save(revoked)
    revocation = Revocation(key.id, key.expire_time + MARGIN, now, creator)
    await transaction.revocations.put(revocation.lasting(await transaction.revocations.get(key.id)))
    return revoked
