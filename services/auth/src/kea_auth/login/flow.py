"""A login that is under way at an identity provider, as the browser keeps it: signed, so that only ours comes back."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import jwt
from kea_core.clock import Clock
from kea_core.tokens import ALGORITHM

from kea_auth.domain.ports import Signer

LIFE = timedelta(minutes=10)
AUDIENCE = "kea-login-flow"
"""Not that of tokens: one is never good for the other."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What must be the same when somebody comes back."""

    provider: str
    state: str
    nonce: str
    verifier: str
    """Of PKCE."""
    return_to: str
    device: str = ""
    """User code of the device that the login is for; empty: it is for the browser."""
    user: str = ""
    """Id of who has said yes to that device."""

    @property
    def challenge(self) -> str:
        """PKCE's S256 challenge (RFC 7636, section 4.2)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


def new_flow(provider: str, return_to: str, device: str = "", user: str = "") -> Flow:
    """Returns a flow that begins."""
    state, nonce, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 48))
    return Flow(provider, state, nonce, verifier, return_to, device, user)


class Flows:
    """Signs flows and knows them again.

    Args:
        signer: knows auth's keys.
        clock: the present moment.
    """

    def __init__(self, signer: Signer, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock

    async def sign(self, flow: Flow) -> str:
        """Returns a flow as a browser keeps it."""
        key = await self._signer.active()
        claims = {"aud": AUDIENCE, "exp": int((self._clock() + LIFE).timestamp()), "flow": asdict(flow)}
        return jwt.encode(claims, key.private_key, algorithm=ALGORITHM, headers={"kid": key.kid})

    async def read(self, text: str) -> Flow | None:
        """Returns a flow that this or another process has signed a short while ago; None where it is none."""
        try:
            kid = jwt.get_unverified_header(text).get("kid", "")
            key = await self._signer.get(str(kid))
            claims = jwt.decode(
                text,
                key.private_key.public_key(),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["exp"], "verify_exp": False},
            )
            if _expired(claims["exp"], self._clock()):
                return None
            return Flow(**claims["flow"])
        except (jwt.InvalidTokenError, LookupError, TypeError):
            return None


def _expired(expires: int, now: datetime) -> bool:
    return expires <= now.timestamp()
