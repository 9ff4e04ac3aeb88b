"""What the deployer does by itself while it serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from kea_core.clock import Clock

from kea_deployer.domain.deployment import Deployment
from kea_deployer.store.deployment_store import SqlDeploymentStore

OPERATIONS_KEPT = timedelta(days=30)
"""How long ended operations can be asked for (AIP-151)."""


class Housekeeping:
    """Forgets what nobody needs any more.

    Args:
        store: keeps operations.
        forget_removals: makes the change feed forget old ones.
        tidy: removes what no deployment needs from where replicas run.
        clock: tells the present.
    """

    def __init__(
        self,
        store: SqlDeploymentStore,
        forget_removals: Callable[[], Awaitable[None]],
        tidy: Callable[[Sequence[Deployment]], Awaitable[None]],
        *,
        clock: Clock,
    ) -> None:
        self._store = store
        self._forget_removals = forget_removals
        self._tidy = tidy
        self._clock = clock

    async def run_once(self) -> None:
        """Does all of it."""
        await self._store.forget_operations(self._clock() - OPERATIONS_KEPT)
        await self._forget_removals()
        async with self._store.reading() as transaction:
            deployments = await transaction.all()
        await self._tidy(deployments)
