"""A revocation: tokens that carry its id are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

MAX_OWN = 1_000
"""Tokens of their own that a subject may have revoked at once: whoever has a token can make many, and revoke them."""
MAX_OF_OTHERS = 10_000
"""Revocations at once that a subject who may revoke any token may have made."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """An id that no token may carry."""

    id: str
    """Of a token (claim `jti`), of the token or session it was made with (`sid`), or of an account (`uid`)."""
    expire_time: datetime | None
    """When no token that carries it can still be good; None: that is not known."""
    create_time: datetime
    creator: str
    """Whose call made it."""

    @property
    def name(self) -> str:
        """Name in the policy's changes."""
        return revocation_name(self.id)

    def lasting(self, other: Revocation | None) -> Revocation:
        """Returns this one, lasting at least as long as another of the same id that is there already."""
        if other is None:
            return self
        if self.expire_time is None or other.expire_time is None:
            return replace(self, expire_time=None)
        return replace(self, expire_time=max(self.expire_time, other.expire_time))


def revocation_name(revoked: str) -> str:
    """Returns the name of the revocation of an id."""
    return f"revocations/{revoked}"
