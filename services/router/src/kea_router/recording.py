"""Keeping what endpoints serve, beside its publication: the database being away keeps no request from a model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from kea_router.domain.endpoint import Endpoint
from kea_router.domain.revision import Served, same_content
from kea_router.domain.revisions import Revisions

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
"""What could not be written is tried again after so long."""

Serving = Callable[[str], tuple[Endpoint, tuple[Served, ...]] | None]
"""Returns an endpoint and what it serves; None where there is nothing to keep."""


class Recorder:
    """Writes a revision whenever an endpoint serves something else than before."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._kept: dict[str, tuple[Served, ...]] = {}
        """What is known to be kept, so that replicas that come and go cost no look at the database."""

    def notice(self, endpoint: str) -> None:
        """Takes note that something about an endpoint has changed."""
        self._changed.add(endpoint)
        self._wake.set()

    async def run(self, serving: Serving) -> None:
        """Writes until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            names, self._changed = self._changed, set()
            failed = {name for name in sorted(names) if not await self._keep(name, serving)}
            if failed:
                await asyncio.sleep(RETRY_SECONDS)
                for name in failed:
                    self.notice(name)

    async def _keep(self, name: str, serving: Serving) -> bool:
        found = serving(name)
        if found is None:
            self._kept.pop(name, None)
            return True
        endpoint, parts = found
        kept = self._kept.get(name)
        if kept is not None and same_content(kept, parts):
            return True
        try:
            await self._revisions.record(endpoint, parts)
        except Exception:
            log.exception("revision not kept; tried again", extra={"endpoint": name})
            return False
        self._kept[name] = parts
        return True
