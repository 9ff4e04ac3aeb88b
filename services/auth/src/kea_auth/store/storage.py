"""Transactions over all that is about who somebody is, and what they may do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from kea_core.change_feed import ChangeFeed
from kea_core.database import Sessions
from kea_core.idempotency import SeenRequests
from kea_core.policy import EVERYONE, Policy
from kea_core.principal import Principal
from sqlalchemy.ext.asyncio import AsyncSession

from kea_auth.domain.ports import Once
from kea_auth.store.api_key_store import SqlApiKeyStore
from kea_auth.store.binding_store import SqlBindingStore
from kea_auth.store.device_store import SqlDeviceStore
from kea_auth.store.revocation_store import SqlRevocationStore
from kea_auth.store.role_store import SqlRoleStore
from kea_auth.store.service_account_store import SqlServiceAccountStore
from kea_auth.store.session_store import SqlSessionStore
from kea_auth.store.tables import FEED
from kea_auth.store.user_store import SqlUserStore


class SqlRequests:
    """`Requests` within one session."""

    def __init__(self, session: AsyncSession, seen: SeenRequests) -> None:
        self._session = session
        self._seen = seen

    async def result(self, once: Once) -> str | None:
        """Returns the name of what the same request made."""
        return await self._seen.result(self._session, once.request_id, once.digest)

    async def remember(self, once: Once, result: str) -> None:
        """Notes what a request made."""
        await self._seen.remember(self._session, once.request_id, once.digest, result)


@dataclass(frozen=True, slots=True)
class SqlTransaction:
    """`Transaction` within one session."""

    roles: SqlRoleStore
    bindings: SqlBindingStore
    accounts: SqlServiceAccountStore
    api_keys: SqlApiKeyStore
    revocations: SqlRevocationStore
    users: SqlUserStore
    sessions: SqlSessionStore
    devices: SqlDeviceStore
    requests: SqlRequests

    async def policy_of(self, caller: Principal) -> Policy:
        """Returns all of the policy that decisions on one caller need."""
        members = (caller.subject, EVERYONE, *(f"groups/{group}" for group in caller.groups))
        bindings = await self.bindings.of_members(members)
        roles = await self.roles.grants({*(binding.role for binding in bindings), *caller.scopes})
        revoked = await self.revocations.among(caller.token_ids)
        return Policy(roles, {binding.name: binding.as_policy() for binding in bindings}, revoked)

    async def grants(self, roles: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Returns what roles that are not built in give, by id."""
        return await self.roles.grants(roles)


class SqlStorage:
    """`Storage` on SQLite or PostgreSQL.

    Args:
        sessions: opens transactions.
        feed: where changes are recorded.
        seen: requests that were done.
        committed: called after each transaction that may have changed something, before its caller goes on.
    """

    def __init__(
        self, sessions: Sessions, feed: ChangeFeed, seen: SeenRequests, committed: Callable[[], Awaitable[None]]
    ) -> None:
        self._sessions = sessions
        self._feed = feed
        self._seen = seen
        self._committed = committed

    @asynccontextmanager
    async def transaction(self, *, commit: bool = True) -> AsyncGenerator[SqlTransaction, None]:
        """Runs a transaction. One at a time: what is read (a bound, who may give what) holds until it commits."""
        async with self._sessions.transaction() as session:
            # SQLite has no such lock and needs none: its transactions write one at a time by themselves.
            await session.execute(sa.select(FEED.head.c.revision).with_for_update())
            yield self._on(session)
            if not commit:
                await session.rollback()
        if commit:
            await self._committed()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqlTransaction, None]:
        """Runs a transaction that only reads."""
        async with self._sessions.reading() as session:
            yield self._on(session)

    def _on(self, session: AsyncSession) -> SqlTransaction:
        return SqlTransaction(
            roles=SqlRoleStore(session, self._feed),
            bindings=SqlBindingStore(session, self._feed),
            accounts=SqlServiceAccountStore(session),
            api_keys=SqlApiKeyStore(session),
            revocations=SqlRevocationStore(session, self._feed),
            users=SqlUserStore(session),
            sessions=SqlSessionStore(session),
            devices=SqlDeviceStore(session),
            requests=SqlRequests(session, self._seen),
        )
