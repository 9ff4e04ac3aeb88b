"""An API key: a token that a service account may use for long."""

from __future__ import annotations

import enum
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kea_core.errors import FieldOutOfBounds, FieldViolation

from kea_auth.domain.claims import Claims
from kea_auth.domain.description import checked
from kea_auth.domain.service_account import ServiceAccount, account_name
from kea_auth.domain.signing_key import SigningKey

SHORTEST_LIFE = timedelta(minutes=1)
DEFAULT_LIFE = timedelta(days=90)
LONGEST_LIFE = timedelta(days=400)
KEPT = timedelta(days=1)
"""How long a key is listed after it has expired."""
MAX_ACTIVE = 100
"""Keys of an account that are accepted."""
MAX_KEPT = 1_000
"""Keys of an account that are listed: those that were revoked count until they would have expired."""


class KeyState(enum.Enum):
    """Whether a key is accepted."""

    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key; what it was made of is kept, itself it is not."""

    account: str
    """Id of its service account."""
    id: str
    """Also the token's."""
    description: str
    scopes: tuple[str, ...]
    """Ids of roles that it is limited to, sorted."""
    kid: str
    """The signing key that it is signed with."""
    create_time: datetime
    expire_time: datetime
    revoke_time: datetime | None = None

    @property
    def name(self) -> str:
        """Resource name."""
        return api_key_name(self.account, self.id)

    def state(self, now: datetime) -> KeyState:
        """Returns whether it is accepted."""
        if self.revoke_time is not None:
            return KeyState.REVOKED
        return KeyState.ACTIVE if now < self.expire_time else KeyState.EXPIRED

    def token(self, account: ServiceAccount, key: SigningKey) -> str:
        """Returns the key itself; the same each time."""
        claims = Claims(
            subject=account.name,
            token=self.id,
            create_time=self.create_time,
            expire_time=self.expire_time,
            scopes=self.scopes,
            account=account.uid,
        )
        return claims.sign(key)


def api_key_name(account: str, key: str) -> str:
    """Returns an API key's resource name."""
    return f"{account_name(account)}/apiKeys/{key}"


@dataclass(frozen=True, slots=True)
class WantedKey:
    """An API key that is asked for."""

    description: str
    scopes: Sequence[str]
    expire_time: datetime | None
    """None: after the default life."""


def new_key(account: str, wanted: WantedKey, kid: str, now: datetime) -> ApiKey:
    """Returns a key that is new.

    Raises:
        FieldOutOfBounds: it would live too long or too short, or its description has a NUL character.
    """
    now = now.replace(microsecond=0)  # claims count whole seconds
    expires = (wanted.expire_time or now + DEFAULT_LIFE).replace(microsecond=0)
    if not SHORTEST_LIFE <= expires - now <= LONGEST_LIFE:
        description = f"is {expires.isoformat()}; expected a minute to {LONGEST_LIFE.days} days from now"
        raise FieldOutOfBounds([FieldViolation("api_key.expire_time", description)])
    return ApiKey(
        account=account,
        id="k" + secrets.token_hex(16)[1:],
        description=checked("api_key.description", wanted.description),
        scopes=tuple(sorted(set(wanted.scopes))),
        kid=kid,
        create_time=now,
        expire_time=expires,
    )
