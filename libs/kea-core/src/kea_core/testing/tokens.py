"""A signing key, tokens and the policy that goes with them, for tests of servers."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from kea_core.authority import Authority
from kea_core.claim_list import pack
from kea_core.policy import Binding, Policy
from kea_core.roles import BUILT_IN

_KEY = Ed25519PrivateKey.generate()


def jwks_of() -> str:
    """Returns the key set that verifies the tokens made here, as JSON."""
    return json.dumps({"keys": [OKPAlgorithm.to_jwk(_KEY.public_key(), as_dict=True) | {"kid": "test"}]})


def make_token(
    *roles: str, subject: str = "users/ada", groups: Iterable[str] = (), scopes: Iterable[str] = (), **claims: Any
) -> str:
    """Returns a token, good for a minute, of someone in these groups, and those that `TEST_BINDINGS` give roles."""
    now = int(time.time())
    whole: dict[str, Any] = {
        "iss": "kea",
        "aud": "kea",
        "sub": subject,
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + 60,
    }
    lists = {"groups": [*groups, *(f"role-{role}" for role in roles)], "scopes": scopes}
    whole |= {name: text for name, names in lists.items() if (text := pack(names))}
    return jwt.encode(whole | claims, _KEY, algorithm="EdDSA", headers={"kid": "test"})


TEST_BINDINGS = {
    f"bindings/{role}": Binding(f"groups/role-{role}", role, name=f"bindings/{role}") for role in sorted(BUILT_IN)
}
"""Each role that KEA comes with is given on the whole platform to group `role-…`."""


def known_authority(policy: Policy | None = None) -> Authority:
    """Returns what a service knows of an auth with these keys and, unless told otherwise, these bindings."""
    made = Authority()
    made.use_keys(jwks_of())
    made.use_policy(policy or Policy(bindings=TEST_BINDINGS))
    return made
