"""The policy that auth itself decides by."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from kea_core.authority import Authority
from kea_core.errors import RevisionExpired
from kea_core.following_auth import PolicyMirror

from kea_auth.convert_policy import change_to_proto
from kea_auth.domain.ports import PolicyStore

log = logging.getLogger(__name__)


class OwnPolicy:
    """Keeps auth's own authority as the database has it, whichever process writes there.

    Args:
        store: the policy of all processes on one database.
        authority: what is kept up to date.
    """

    def __init__(self, store: PolicyStore, authority: Authority) -> None:
        self._store = store
        self._authority = authority
        self._mirror = PolicyMirror()
        self._revision = 0
        self._reading = asyncio.Lock()
        self._known = False

    async def catch_up(self) -> None:
        """Decides, from the end of this on, by all that was committed before it began."""
        async with self._reading:
            try:
                await self._read()
            except RevisionExpired:  # the database was put back to an older state
                self._mirror, self._revision, self._known = PolicyMirror(), 0, False
                await self._read()

    async def committed(self) -> None:
        """Decides by what this process has just committed, if it can: it has been done, and is told as done, anyhow."""
        try:
            await self.catch_up()
        except Exception:
            log.exception("the policy could not be read after a change; it will be soon")

    async def follow(self) -> None:
        """Catches up with every change, from whatever process, until something fails."""
        await self.catch_up()
        async with aclosing(self._store.watch(self._revision)) as changes:
            async for change in changes:
                if change.synced and change.revision > self._revision:
                    await self.catch_up()

    async def _read(self) -> None:
        changed = not self._known
        async with aclosing(self._store.watch(self._revision)) as changes:
            async for change in changes:
                self._mirror.apply(change_to_proto(change))
                self._revision = change.revision
                if change.synced:
                    break
                changed = True
        if changed:
            self._authority.use_policy(self._mirror.policy())
            self._known = True
