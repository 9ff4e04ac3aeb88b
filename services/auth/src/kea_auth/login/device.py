"""A device grant (RFC 8628): a program asks, a person says yes in a browser. Nothing here reads a clock."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from kea_auth.login.session import digest

LIFE = timedelta(minutes=10)
INTERVAL_SECONDS = 5
"""How long a program waits between two questions."""
SLOWER_SECONDS = 5
"""How much longer, from now on, one that asks too soon (RFC 8628, section 3.5)."""
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters of user codes: no vowels, so that no words come up (RFC 8628, section 6.1)."""
CODE_LENGTH = 8
MAX_GRANTS = 10_000
NAME_LENGTH = 16


class DeviceState(enum.Enum):
    """What was said."""

    PENDING = "PENDING"
    DENIED = "DENIED"
    APPROVED = "APPROVED"


class Poll(enum.Enum):
    """What a program that asks is told; the values are RFC 8628's."""

    PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceGrant:
    """A grant as it is between two questions."""

    device_hash: str = field(repr=False)
    """Digest of the device code."""
    user_code: str
    """Without a hyphen."""
    client: str
    state: DeviceState = DeviceState.PENDING
    user: str = ""
    """Id of who said yes."""
    provider: str = ""
    grant: str = field(default="", repr=False)
    """What the provider gave for this device, as JSON."""
    interval_seconds: int = INTERVAL_SECONDS
    poll_time: datetime | None = None
    expire_time: datetime

    def poll(self, now: datetime) -> tuple[Poll, DeviceGrant]:
        """Returns what to tell a program that asks, and the grant after that."""
        if now >= self.expire_time:
            return Poll.EXPIRED, self
        if self.state is DeviceState.DENIED:
            return Poll.DENIED, self
        if self.state is DeviceState.APPROVED:
            return Poll.READY, self
        # A second less than was said: networks deliver some messages sooner than others.
        early = self.poll_time and now < self.poll_time + timedelta(seconds=self.interval_seconds - 1)
        slower = self.interval_seconds + (SLOWER_SECONDS if early else 0)
        told = Poll.SLOW_DOWN if early else Poll.PENDING
        return told, replace(self, poll_time=now, interval_seconds=min(slower, 60))


def new_device(client: str, now: datetime) -> tuple[DeviceGrant, str]:
    """Returns a grant that nobody has answered, and its device code."""
    code = secrets.token_urlsafe(32)
    user_code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return DeviceGrant(device_hash=digest(code), user_code=user_code, client=client, expire_time=now + LIFE), code


def grant_name(grant: DeviceGrant) -> str:
    """Returns what the audit log calls a grant: it tells neither of its codes."""
    return f"deviceGrants/{grant.device_hash[:NAME_LENGTH]}"


def shown(user_code: str) -> str:
    """Returns a user code as people read it."""
    return f"{user_code[:4]}-{user_code[4:]}"


def typed(text: str) -> str:
    """Returns the user code that somebody has typed, whatever they put between its letters."""
    return "".join(letter for letter in text.upper() if letter in ALPHABET)[: CODE_LENGTH + 1]
