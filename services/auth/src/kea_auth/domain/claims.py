"""What a token says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from kea_core.claim_list import pack
from kea_core.tokens import ALGORITHM, AUDIENCE, ISSUER

from kea_auth.domain.signing_key import SigningKey

SHORTEST_TTL = timedelta(minutes=1)
DEFAULT_TTL = timedelta(hours=1)
LONGEST_TTL = timedelta(hours=24)
"""Of tokens; API keys may last longer, see `api_key`."""
MARGIN = timedelta(minutes=1)
"""What verifiers' leeway and the clocks of several processes may differ by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who calls, for how long, and limited to what; nothing of what they may do."""

    subject: str
    token: str
    """Id of the token."""
    create_time: datetime
    """Counted in whole seconds, as all of a token's times."""
    expire_time: datetime
    groups: Iterable[str] = ()
    scopes: tuple[str, ...] = ()
    """Sorted."""
    session: str = ""
    """Id of the token or session that it is made with."""
    account: str = ""
    """Unique id of the account."""

    def sign(self, key: SigningKey) -> str:
        """Returns the compact JWT; the same each time, as Ed25519's signatures are."""
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": self.subject,
            "jti": self.token,
            "iat": int(self.create_time.timestamp()),
            "exp": int(self.expire_time.timestamp()),
        }
        more = {
            "groups": pack(sorted(self.groups)),
            "scopes": pack(self.scopes),
            "sid": self.session,
            "uid": self.account,
        }
        claims |= {name: value for name, value in more.items() if value}
        return jwt.encode(claims, key.private_key, algorithm=ALGORITHM, headers={"kid": key.kid})
