"""The policy's changes, from the feed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from kea_core.change_feed import BATCH, Change, ChangeFeed, Synced
from kea_core.database import Sessions
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.domain.ports import PolicyChange
from kea_auth.domain.revocation import revocation_name
from kea_auth.store.binding_store import SqlBindingStore
from kea_auth.store.revocation_store import SqlRevocationStore
from kea_auth.store.role_store import SqlRoleStore
from kea_auth.store.tables import POLICY


class SqlPolicyStore:
    """`PolicyStore` on SQLite or PostgreSQL."""

    def __init__(self, sessions: Sessions, feed: ChangeFeed) -> None:
        self._sessions = sessions
        self._feed = feed

    async def watch(self, since: int) -> AsyncGenerator[PolicyChange, None]:
        """Yields every change of the policy after a revision."""
        async with aclosing(self._batches(max(since, 0))) as batches:
            async for changes, synced in batches:
                for change in await self._told(changes) if changes else ():
                    yield change
                if synced is not None:
                    yield PolicyChange(synced.revision)

    async def _batches(self, since: int) -> AsyncGenerator[tuple[list[Change], Synced | None], None]:
        """Yields what the feed reads at once."""
        batch: list[Change] = []
        async with aclosing(self._feed.watch(POLICY, since)) as changes:
            async for change in changes:
                synced = change if isinstance(change, Synced) else None
                if isinstance(change, Change):
                    batch.append(change)
                if synced is not None or len(batch) == BATCH:
                    yield batch, synced
                    batch = []

    async def _told(self, changes: Sequence[Change]) -> list[PolicyChange]:
        """Returns changes with what has changed, as it is now; without what has been deleted since: that is told later.

        All of them are read at once, whatever their number.
        """
        async with self._sessions.reading() as session:
            present = await self._present(session, [change.name for change in changes if not change.deleted])
        told: list[PolicyChange] = []
        for change in changes:
            if change.deleted:
                told.append(PolicyChange(change.revision, deleted=change.name))
            elif change.name in present:
                told.append(replace(present[change.name], revision=change.revision))
        return told

    async def _present(self, session: AsyncSession, names: Sequence[str]) -> dict[str, PolicyChange]:
        ids: dict[str, list[str]] = {"roles": [], "bindings": [], "revocations": []}
        for name in names:
            collection, _, entry = name.partition("/")
            ids[collection].append(entry)
        found: dict[str, PolicyChange] = {}
        for role in await SqlRoleStore(session, self._feed).among(ids["roles"]):
            found[role.name] = PolicyChange(0, role=role)
        for binding in await SqlBindingStore(session, self._feed).among(ids["bindings"]):
            found[binding.name] = PolicyChange(0, binding=binding)
        for revoked in await SqlRevocationStore(session, self._feed).among(ids["revocations"]):
            found[revocation_name(revoked)] = PolicyChange(0, revoked=revoked)
        return found
