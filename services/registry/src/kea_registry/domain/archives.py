"""Removing archives that nothing needs any more, and what dead uploads left behind."""

from __future__ import annotations

import logging
from datetime import timedelta

from kea_core.clock import Clock

from kea_registry.domain.ports import ArchiveLedger, Artifacts

log = logging.getLogger(__name__)


class Archives:
    """Keeps bytes and versions in step.

    Bytes are there before a version is, and longer: an archive is claimed, moved to its place, and only then does the
    transaction that makes the version commit. Removal holds off claims while it looks and removes.
    """

    def __init__(self, ledger: ArchiveLedger, artifacts: Artifacts, *, orphan_age: timedelta, clock: Clock) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self._orphan_age = orphan_age
        self._clock = clock

    async def discard(self, sha256: str) -> None:
        """Removes an archive, unless something needs it. A failure is logged: the sweep will come by."""
        try:
            async with self._ledger.removing(sha256) as unneeded:
                if unneeded:
                    await self._artifacts.remove(sha256)
        except Exception:
            log.exception("archive not removed", extra={"sha256": sha256})

    async def sweep(self) -> None:
        """Removes all that is half-done and older than the age limit."""
        before = self._clock() - self._orphan_age
        await self._artifacts.sweep_incoming(before)
        await self._ledger.expire_claims(before)
        for sha256 in await self._ledger.unneeded():
            await self.discard(sha256)
