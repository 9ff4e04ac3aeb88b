"""What is done about builds that nobody asks for any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from kea_core.clock import Clock

from kea_deployer.domain.build import Build
from kea_deployer.domain.build_ports import BuildStore

BUILDS_KEPT = timedelta(days=30)
"""How long ended builds, their logs and operations can be asked for (AIP-151)."""


class BuildHousekeeping:
    """Forgets old builds, and what they have left behind for others.

    Args:
        store: keeps builds.
        forget: removes what is kept of a build beside the store, by its key.
        tidy: removes what no build needs from the workshop; given those that have not ended.
        clock: tells the present.
    """

    def __init__(
        self,
        store: BuildStore,
        forget: Callable[[str], Awaitable[None]],
        tidy: Callable[[list[Build]], Awaitable[None]],
        *,
        clock: Clock,
    ) -> None:
        self._store = store
        self._forget = forget
        self._tidy = tidy
        self._clock = clock

    async def run_once(self) -> None:
        """Does all of it."""
        async with self._store.transaction() as transaction:
            old = await transaction.ended_before(self._clock() - BUILDS_KEPT)
            for build in old:
                await transaction.remove(build.name)
            left = [*await transaction.queued(), *await transaction.running()]
        for build in old:
            await self._forget(build.key)
        await self._tidy(left)
