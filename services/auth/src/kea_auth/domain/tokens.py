"""Making tokens."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from kea_core.clock import Clock
from kea_core.errors import FieldOutOfBounds, FieldViolation
from kea_core.principal import Principal
from kea_core.roles import ADMIN, SERVICE_ACCOUNTS

from kea_auth.domain.claims import DEFAULT_TTL, LONGEST_TTL, SHORTEST_TTL, Claims
from kea_auth.domain.errors import ServiceCredentialInvalid
from kea_auth.domain.ports import Credentials, Signer, Storage
from kea_auth.domain.scopes import check_held, check_known, grants_of
from kea_auth.domain.service_account import account_name


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was just made."""

    uid: str
    subject: str
    scopes: tuple[str, ...]
    access_token: str = field(repr=False)
    create_time: datetime
    expire_time: datetime


class Tokens:
    """Makes tokens, each signed with the key that is active."""

    def __init__(
        self, signer: Signer, storage: Storage, credentials: Credentials, *, service_ttl: timedelta, clock: Clock
    ) -> None:
        self._signer = signer
        self._storage = storage
        self._credentials = credentials
        self._service_ttl = service_ttl
        self._clock = clock

    async def create(self, caller: Principal, scopes: Sequence[str], ttl: timedelta | None) -> Token:
        """Makes a token for the caller itself, which does not outlive the one it came with and is revoked with it.

        Raises:
            FieldOutOfBounds: the time to live is.
            ScopeUnknown: a scope is no role.
            ScopeNotHeld: a scope goes beyond those of the caller's token.
        """
        asked = DEFAULT_TTL if ttl is None else ttl
        if not SHORTEST_TTL <= asked <= LONGEST_TTL:
            description = f"is {asked.total_seconds():g} s; expected 60 s to 86400 s"
            raise FieldOutOfBounds([FieldViolation("ttl", description)])
        if scopes:
            async with self._storage.reading() as transaction:
                grants = await grants_of(transaction, [*scopes, *caller.scopes])
            check_known(grants, scopes, "scopes")
            check_held(grants, scopes, caller)
        return await self._make(
            caller.subject,
            asked,
            latest=datetime.fromtimestamp(caller.expires_at, UTC),
            groups=caller.groups,
            scopes=scopes or caller.scopes,
            session=caller.session or caller.token,
            account=caller.account,
        )

    async def exchange(self, account: str, secret: str) -> Token:
        """Makes a token of the account of one of KEA's own services for who knows its secret.

        Raises:
            ServiceCredentialInvalid: there is no such account, or this is not its secret.
        """
        expected = await self._credentials.secret(account) if account in SERVICE_ACCOUNTS else None
        # Compared in any case, so that the time taken does not tell which accounts there are.
        matches = secrets.compare_digest((expected or secrets.token_urlsafe()).encode(), secret.encode())
        if expected is None or not matches:
            raise ServiceCredentialInvalid
        return await self._make(account_name(account), self._service_ttl)

    async def bootstrap(self, ttl: timedelta) -> Token:
        """Makes a token of the administrator, for whoever may read auth's files."""
        return await self._make(ADMIN, ttl)

    async def _make(
        self,
        subject: str,
        ttl: timedelta,
        *,
        latest: datetime | None = None,
        groups: Iterable[str] = (),
        scopes: Sequence[str] = (),
        session: str = "",
        account: str = "",
    ) -> Token:
        key = await self._signer.active()
        now = self._clock().replace(microsecond=0)  # claims count whole seconds
        expires = now + ttl if latest is None else min(now + ttl, latest)
        claims = Claims(
            subject=subject,
            token=str(uuid.uuid4()),
            create_time=now,
            expire_time=expires.replace(microsecond=0),
            groups=groups,
            scopes=tuple(sorted(set(scopes))),
            session=session,
            account=account,
        )
        return Token(claims.token, subject, claims.scopes, claims.sign(key), now, claims.expire_time)
