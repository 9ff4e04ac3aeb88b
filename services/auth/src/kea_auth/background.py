"""What auth does by itself while it serves."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path

from kea_core.authority import Authority
from kea_core.clock import Clock

from kea_auth.domain.signing_keys import SigningKeys
from kea_auth.domain.tokens import Tokens
from kea_auth.store.private_file import write_private_file

log = logging.getLogger(__name__)


async def follow_own_keys(keys: SigningKeys, authority: Authority) -> None:
    """Gives auth's own authority every key set, until something fails."""
    async for key_set in keys.watch(0):
        authority.use_keys(key_set.jwks)


class BootstrapToken:
    """Keeps a good token of the administrator in a file. The token itself is never logged."""

    def __init__(self, tokens: Tokens, path: Path, ttl: timedelta, clock: Clock) -> None:
        self._tokens = tokens
        self._path = path
        self._ttl = ttl
        self._clock = clock
        self._refresh_time: datetime | None = None

    async def upkeep(self) -> None:
        """Puts a new token into the file where there is none of ours yet, or half its life is over.

        Asked often, by the clock: a sleep of half a life would not notice that the machine slept too.
        """
        if self._refresh_time is not None and self._clock() < self._refresh_time:
            return
        token = await self._tokens.bootstrap(self._ttl)
        await asyncio.to_thread(write_private_file, self._path, token.access_token)
        self._refresh_time = token.create_time + self._ttl / 2
        log.info("bootstrap token written", extra={"path": str(self._path), "expire_time": token.expire_time})
