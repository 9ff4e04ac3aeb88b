"""Checking bearer tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037)."""

from __future__ import annotations

import json
from typing import Any

import jwt
from jwt.algorithms import OKPAlgorithm

from kea_core.claim_list import unpack
from kea_core.errors import ServiceUnavailable, TokenInvalid
from kea_core.principal import Principal

ISSUER = "kea"
AUDIENCE = "kea"
ALGORITHM = "EdDSA"
LEEWAY_SECONDS = 5
"""How far clocks may differ."""
MAX_TOKEN_LENGTH = 8192
"""Characters; longer ones are refused unread."""


class TokenVerifier:
    """Checks tokens against the keys it was last given; safe to use from one event loop."""

    def __init__(self) -> None:
        self._keys: dict[str, Any] | None = None

    @property
    def ready(self) -> bool:
        """Whether it has been given keys."""
        return self._keys is not None

    def use(self, jwks: str) -> None:
        """Takes a JSON Web Key Set in place of what it had.

        Raises:
            ValueError: `jwks` is not a key set of Ed25519 keys; what it had stays.
        """
        document = json.loads(jwks)
        try:
            keys = {str(key["kid"]): OKPAlgorithm.from_jwk(key) for key in document["keys"]}
        except (TypeError, KeyError, jwt.InvalidKeyError) as error:
            problem = f"it is not a set of Ed25519 keys: {error!r}"
            raise ValueError(problem) from error
        self._keys = keys

    def verify(self, token: str) -> Principal:
        """Returns whom a token stands for.

        Raises:
            TokenInvalid: it is malformed, expired, for another audience, or signed by no known key.
            ServiceUnavailable: no keys are known yet.
        """
        if self._keys is None:
            service = "auth"
            raise ServiceUnavailable(service)
        if len(token) > MAX_TOKEN_LENGTH:
            problem = f"it is longer than {MAX_TOKEN_LENGTH} characters"
            raise TokenInvalid(problem)
        try:
            kid = str(jwt.get_unverified_header(token).get("kid", ""))
            key = self._keys.get(kid)
            if key is None:
                problem = "it is signed by a key that is not known"
                raise TokenInvalid(problem)
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "jti"]},
            )
        except jwt.ExpiredSignatureError as error:
            problem = "it has expired"
            raise TokenInvalid(problem) from error
        except jwt.InvalidTokenError as error:
            problem = "it is malformed, or made for someone else"
            raise TokenInvalid(problem) from error
        return _principal(claims)


def _principal(claims: dict[str, Any]) -> Principal:
    """Returns whom claims stand for.

    Raises:
        TokenInvalid: they are signed, but not of a shape that auth makes.
    """
    return Principal(
        subject=str(claims["sub"]),
        groups=frozenset(_names(claims, "groups")),
        scopes=tuple(sorted(_names(claims, "scopes"))),
        token=str(claims["jti"]),
        session=str(claims.get("sid", "")),
        account=str(claims.get("uid", "")),
        expires_at=float(claims["exp"]),
    )


def _names(claims: dict[str, Any], claim: str) -> list[str]:
    problem = f"its claim {claim!r} is not a list of names"
    text = claims.get(claim, "")
    if not isinstance(text, str):
        raise TokenInvalid(problem)
    try:
        return unpack(text)
    except ValueError as error:
        raise TokenInvalid(problem) from error
