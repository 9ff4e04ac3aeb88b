"""A signing key and tokens for tests of servers."""

from __future__ import annotations

import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

_KEY = Ed25519PrivateKey.generate()


def jwks_of() -> str:
    """Returns the key set that verifies the tokens made here, as JSON."""
    return json.dumps({"keys": [OKPAlgorithm.to_jwk(_KEY.public_key(), as_dict=True) | {"kid": "test"}]})


def make_token(*roles: str, subject: str = "users/ada") -> str:
    """Returns a token with these roles, good for a minute."""
    now = int(time.time())
    claims = {"iss": "kea", "aud": "kea", "sub": subject, "jti": "1", "iat": now, "exp": now + 60, "roles": roles}
    return jwt.encode(claims, _KEY, algorithm="EdDSA", headers={"kid": "test"})
