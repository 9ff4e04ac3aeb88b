"""Waking deployments that other processes have changed."""

from __future__ import annotations

from collections.abc import Callable

from kea_core.change_feed import Change

from kea_deployer.domain.ports import DeploymentStore


class FeedFollower:
    """Follows the change feed; what only a status has changed in needs no look, for whoever wrote it has looked.

    Args:
        store: deployments, and their feed.
        wake: told of each that is to be looked at.
    """

    def __init__(self, store: DeploymentStore, wake: Callable[[str], None]) -> None:
        self._store = store
        self._wake = wake

    async def run(self) -> None:
        """Follows until cancelled. All there is at the begin is woken."""
        async for change in self._store.watch(0):
            if isinstance(change, Change) and await self._is_wanted(change):
                self._wake(change.name)

    async def _is_wanted(self, change: Change) -> bool:
        async with self._store.reading() as transaction:
            deployment = await transaction.get(change.name)
        return deployment is None or deployment.wanted_revision >= change.revision
