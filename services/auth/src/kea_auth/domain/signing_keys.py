"""Making, listing and following keys."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from kea_core.clock import Clock

from kea_auth.domain.errors import SigningKeyRaced, TooManySigningKeys
from kea_auth.domain.key_ring import MAX_KEYS, KeyRing, KeyView
from kea_auth.domain.ports import KeyStore
from kea_auth.domain.signing_key import SigningKey, make_key

log = logging.getLogger(__name__)

ATTEMPTS = 10
"""Of several processes that make a key in the same moment one succeeds; how often the others try again."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """All public keys, as of a revision."""

    revision: int
    jwks: str


class SigningKeys:
    """The keys of all auth processes on one database."""

    def __init__(self, store: KeyStore, *, activation_delay: timedelta, rotate_after: timedelta, clock: Clock) -> None:
        self._store = store
        self._activation_delay = activation_delay
        self._rotate_after = rotate_after
        self._clock = clock
        self._full = False

    async def upkeep(self) -> None:
        """Makes a key where one is due and removes those that have expired."""
        for _ in range(ATTEMPTS):
            ring = await self._ring()
            plan = ring.plan(self._clock(), self._rotate_after)
            self._tell(full=plan.full)
            if not plan.make and not plan.remove:
                return
            try:
                async with self._store.transaction() as transaction:
                    # Decided again, inside: another process may have done it since.
                    ring = KeyRing(await transaction.keys(), await transaction.needed())
                    plan = ring.plan(self._clock(), self._rotate_after)
                    for key in plan.remove:
                        await transaction.remove(key)
                    if plan.make:
                        await transaction.add(self._make(ring))
            except SigningKeyRaced:
                continue  # the other one's key is there now
        raise SigningKeyRaced

    async def rotate(self, *, validate_only: bool) -> KeyView:
        """Makes a new key, which begins to sign after the delay.

        Raises:
            TooManySigningKeys: so many are still needed that one more would burden every verifier.
            SigningKeyRaced: others rotate all the time.
        """
        for _ in range(ATTEMPTS):
            try:
                async with self._store.transaction() as transaction:
                    ring = KeyRing(await transaction.keys(), await transaction.needed())
                    if len(ring) >= MAX_KEYS:
                        raise TooManySigningKeys(MAX_KEYS)
                    key = self._make(ring)
                    if not validate_only:
                        await transaction.add(key)
                    return ring.with_key(key).views(self._clock())[0]
            except SigningKeyRaced:
                continue
        raise SigningKeyRaced

    async def views(self) -> list[KeyView]:
        """Returns all keys with their states, newest first."""
        return (await self._ring()).views(self._clock())

    async def active(self) -> SigningKey:
        """Returns the key that signs now.

        Raises:
            LookupError: there are no keys; `upkeep` was never called.
        """
        key = KeyRing(await self._store.keys()).active(self._clock())
        if key is None:
            problem = "there is no signing key"
            raise LookupError(problem)
        return key

    async def get(self, kid: str) -> SigningKey:
        """Returns a key that is kept.

        Raises:
            LookupError: it is not.
        """
        for key in await self._store.keys():
            if key.kid == kid:
                return key
        problem = f"signing key {kid} is gone"
        raise LookupError(problem)

    async def jwks(self) -> str:
        """Returns the public halves of all keys as a JSON Web Key Set."""
        return KeyRing(await self._store.keys()).jwks()

    async def watch(self, since: int) -> AsyncIterator[KeySet]:
        """Yields the whole key set after each change past `since`, for ever; from 0 also the present one."""
        async for revision in self._store.watch(since):
            yield KeySet(revision, await self.jwks())

    async def _ring(self) -> KeyRing:
        return KeyRing(await self._store.keys(), await self._store.needed())

    def _tell(self, *, full: bool) -> None:
        if full and not self._full:
            log.warning("no room for another signing key; API keys need the old ones", extra={"limit": MAX_KEYS})
        self._full = full

    def _make(self, ring: KeyRing) -> SigningKey:
        now = self._clock()
        # Nobody can hold a token yet that the first key would have to wait for.
        delay = self._activation_delay if len(ring) else timedelta(0)
        return make_key(ring.next_number, now, now + delay)
