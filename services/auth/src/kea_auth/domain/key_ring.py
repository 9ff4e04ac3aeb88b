"""All keys at one moment: which one signs, which ones still verify, what is due. Nothing here reads a clock.

A key's state is not stored. It follows from when keys begin to sign: the newest that has begun is ACTIVE, newer ones
are PENDING, older ones RETIRED. So no process has to move a state, and no crash can leave two keys active.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kea_auth.domain.claims import LONGEST_TTL, MARGIN
from kea_auth.domain.signing_key import SigningKey

MAX_KEYS = 64
"""Keys kept at most: all verifiers hold all of them."""


class State(enum.Enum):
    """Where a key is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as it is at one moment."""

    key: SigningKey
    state: State
    expire_time: datetime | None
    """When no token it signed can still be good; None unless it is retired."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due."""

    make: bool
    """Whether a new key is due, and there is room for it."""
    remove: tuple[SigningKey, ...]
    """Keys that verify nothing any more."""
    full: bool = False
    """Whether a new key is due, and there is no room: the one that signs goes on."""


class KeyRing:
    """All keys there are.

    Args:
        keys: in any order.
        needed: when the last API key that a key signed and that is not revoked expires, by `kid`.
    """

    def __init__(self, keys: Iterable[SigningKey], needed: Mapping[str, datetime] | None = None) -> None:
        self._keys = sorted(keys, key=lambda key: key.number)
        self._needed = needed or {}

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def next_number(self) -> int:
        """Number of the next key to be made."""
        return self._keys[-1].number + 1 if self._keys else 1

    def with_key(self, key: SigningKey) -> KeyRing:
        """Returns this ring and one more key."""
        return KeyRing([*self._keys, key], self._needed)

    def active(self, now: datetime) -> SigningKey | None:
        """Returns the key that signs, or None where there are no keys at all."""
        begun = [key for key in self._keys if key.activate_time <= now]
        # No key has begun only where this clock is behind that of the process that made the first.
        return begun[-1] if begun else next(iter(self._keys), None)

    def views(self, now: datetime) -> list[KeyView]:
        """Returns every key with its state, newest first."""
        active = self.active(now)
        found: list[KeyView] = []
        for index, key in enumerate(self._keys):
            if active is None or key.number > active.number:
                found.append(KeyView(key, State.PENDING, None))
            elif key is active:
                found.append(KeyView(key, State.ACTIVE, None))
            else:
                retired = min(later.activate_time for later in self._keys[index + 1 :])
                last = max(retired + LONGEST_TTL, self._needed.get(key.kid, retired))
                found.append(KeyView(key, State.RETIRED, last + MARGIN))
        return found[::-1]

    def plan(self, now: datetime, rotate_after: timedelta) -> Plan:
        """Returns what is due: a key where there is none or the newest is old, and the end of those past theirs."""
        due = not self._keys or self._keys[-1].activate_time + rotate_after <= now
        expired = [view.key for view in self.views(now) if view.expire_time is not None and view.expire_time <= now]
        full = due and len(self._keys) - len(expired) >= MAX_KEYS
        return Plan(due and not full, tuple(expired), full)

    def jwks(self) -> str:
        """Returns the public halves as a JSON Web Key Set (RFC 7517), newest first."""
        return json.dumps({"keys": [key.public_jwk() for key in reversed(self._keys)]})
