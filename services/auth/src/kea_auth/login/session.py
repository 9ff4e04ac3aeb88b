"""A session: what somebody who has logged in goes on by. Nothing here reads a clock."""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from kea_auth.login.grant import NO_GRANT, ProviderGrant

BROWSER, CLI = "browser", "kea-cli"
GRACE = timedelta(seconds=10)
"""How long a refresh token that has been used may be used once more, for an access token only: two tabs of a browser
use the same one in the same moment, and an answer may be lost."""
SECRET_BYTES = 24
LONGEST_ACCESS_TTL = timedelta(minutes=10)
"""How long a person's access token is accepted at most, and what was made with it: that does not outlive it."""


class Verdict(enum.Enum):
    """What a refresh token is worth."""

    CURRENT = "CURRENT"
    JUST_USED = "JUST_USED"
    REUSED = "REUSED"
    """It was used before: one of the two who have it has stolen it."""
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token: the session's id, a secret of the session, and one that is used once."""

    session: str
    family: str = field(repr=False)
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.session}.{self.family}.{self.secret}"


def parse_refresh_token(text: str) -> RefreshToken | None:
    """Returns the parts of a refresh token; None where it is none."""
    parts = text.split(".")
    if len(parts) != 3 or not all(parts) or len(text) > 200 or not text.isascii():  # noqa: PLR2004 - its three parts
        return None
    return RefreshToken(*parts)


def new_secret() -> str:
    """Returns a secret of a refresh token."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """Returns what is kept of a secret. It is random and long, so nothing slower is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it is between two refreshes."""

    id: str
    """Claim `sid` of its tokens."""
    user: str
    """Id of the user."""
    provider: str
    """Id of the identity provider it was logged in at; empty for a password."""
    client: str
    """`browser` or `kea-cli`."""
    family_hash: str = field(repr=False)
    secret_hash: str = field(repr=False)
    """Of the refresh token that is good."""
    previous_hash: str = field(repr=False, default="")
    rotate_time: datetime
    create_time: datetime
    expire_time: datetime
    grant: ProviderGrant = NO_GRANT

    def judge(self, token: RefreshToken, now: datetime) -> Verdict:
        """Returns what a refresh token that names this session is worth."""
        if not hmac.compare_digest(digest(token.family), self.family_hash):
            return Verdict.UNKNOWN  # whoever knows a session's id can write this; the session is not to suffer
        given = digest(token.secret)
        if hmac.compare_digest(given, self.secret_hash):
            return Verdict.CURRENT
        if hmac.compare_digest(given, self.previous_hash) and now < self.rotate_time + GRACE:
            return Verdict.JUST_USED
        return Verdict.REUSED

    def rotated(self, secret: str, grant: ProviderGrant, now: datetime) -> Session:
        """Returns the session after a refresh."""
        return replace(self, secret_hash=digest(secret), previous_hash=self.secret_hash, rotate_time=now, grant=grant)


def new_session(
    user: str, provider: str, client: str, grant: ProviderGrant, now: datetime, ttl: timedelta
) -> tuple[Session, RefreshToken]:
    """Returns a session that is new, and its first refresh token."""
    token = RefreshToken("s" + secrets.token_hex(16)[1:], new_secret(), new_secret())
    session = Session(
        id=token.session,
        user=user,
        provider=provider,
        client=client,
        family_hash=digest(token.family),
        secret_hash=digest(token.secret),
        rotate_time=now,
        create_time=now,
        expire_time=now + ttl,
        grant=grant,
    )
    return session, token
