"""Making tokens."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import jwt
from kea_core.clock import Clock
from kea_core.errors import FieldOutOfBounds, FieldViolation
from kea_core.principal import Principal
from kea_core.roles import SERVICE_ROLES, implies
from kea_core.tokens import ALGORITHM, AUDIENCE, ISSUER

from kea_auth.domain.errors import RoleNotHeld, ServiceCredentialInvalid
from kea_auth.domain.ports import Credentials, Signer

SHORTEST_TTL = timedelta(minutes=1)
DEFAULT_TTL = timedelta(hours=1)
LONGEST_TTL = timedelta(hours=24)
ADMIN = "users/admin"
"""Whom the bootstrap token stands for."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was just made."""

    uid: str
    subject: str
    roles: tuple[str, ...]
    access_token: str = field(repr=False)
    create_time: datetime
    expire_time: datetime


class Tokens:
    """Makes tokens, each signed with the key that is active."""

    def __init__(self, signer: Signer, credentials: Credentials, *, service_ttl: timedelta, clock: Clock) -> None:
        self._signer = signer
        self._credentials = credentials
        self._service_ttl = service_ttl
        self._clock = clock

    async def create(self, caller: Principal, roles: Sequence[str], ttl: timedelta | None) -> Token:
        """Makes a token for the caller itself, which does not outlive the one it came with.

        Raises:
            FieldOutOfBounds: the time to live is.
            RoleNotHeld: a role is not the caller's, and may do something that the caller may not.
        """
        asked = DEFAULT_TTL if ttl is None else ttl
        if not SHORTEST_TTL <= asked <= LONGEST_TTL:
            description = f"is {asked.total_seconds():g} s; expected 60 s to 86400 s"
            raise FieldOutOfBounds([FieldViolation("ttl", description)])
        for role in roles:
            if role not in caller.roles and not implies(caller.roles, role):
                raise RoleNotHeld(role, caller.subject)
        latest = datetime.fromtimestamp(caller.expires_at, UTC)
        return await self._make(caller.subject, roles or caller.roles, asked, latest)

    async def exchange(self, account: str, secret: str) -> Token:
        """Makes a token of a service account for who knows its secret.

        Raises:
            ServiceCredentialInvalid: there is no such account, or this is not its secret.
        """
        expected = await self._credentials.secret(account) if account in SERVICE_ROLES else None
        # Compared in any case, so that the time taken does not tell which accounts there are.
        matches = secrets.compare_digest((expected or secrets.token_urlsafe()).encode(), secret.encode())
        if expected is None or not matches:
            raise ServiceCredentialInvalid
        return await self._make(f"serviceAccounts/{account}", [SERVICE_ROLES[account]], self._service_ttl)

    async def bootstrap(self, ttl: timedelta) -> Token:
        """Makes a token of the administrator, for whoever may read auth's files."""
        return await self._make(ADMIN, ["admin"], ttl)

    async def _make(self, subject: str, roles: Sequence[str], ttl: timedelta, latest: datetime | None = None) -> Token:
        key = await self._signer.active()
        now = self._clock().replace(microsecond=0)  # claims count whole seconds
        expires = now + ttl if latest is None else min(now + ttl, latest)
        expires = expires.replace(microsecond=0)
        uid, sorted_roles = str(uuid.uuid4()), tuple(sorted(set(roles)))
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "roles": list(sorted_roles),
            "jti": uid,
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
        }
        signed = jwt.encode(claims, key.private_key, algorithm=ALGORITHM, headers={"kid": key.kid})
        return Token(uid, subject, sorted_roles, signed, now, expires)
