from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from kea_core.errors import ServiceUnavailable, TokenInvalid
from kea_core.principal import Principal
from kea_core.tokens import TokenVerifier

KEY = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()


def jwks(key: Ed25519PrivateKey, kid: str = "k") -> str:
    return json.dumps({"keys": [OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "alg": "EdDSA"}]})


def token(key: Any = KEY, kid: str = "k", algorithm: str = "EdDSA", **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "kea",
        "aud": "kea",
        "sub": "users/ada",
        "jti": "1",
        "iat": now,
        "exp": now + 60,
        "groups": ",Teachers,",
        "scopes": ",b,a,",
        "sid": "2",
        "uid": "3",
    }
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def verifier() -> TokenVerifier:
    made = TokenVerifier()
    made.use(jwks(KEY))
    return made


def test_a_good_token_tells_its_principal(verifier: TokenVerifier) -> None:
    principal = verifier.verify(token())
    assert principal == Principal("users/ada", frozenset({"Teachers"}), ("a", "b"), "1", "2", "3", principal.expires_at)
    assert principal.token_ids == ("1", "2", "3")


def test_a_token_need_not_tell_more_than_who_it_stands_for(verifier: TokenVerifier) -> None:
    principal = verifier.verify(token(groups=None, scopes=None, sid=None, uid=None))
    assert principal == Principal("users/ada", token="1", expires_at=principal.expires_at)
    assert principal.token_ids == ("1",)


@pytest.mark.parametrize(
    "bad",
    [
        token(exp=1),
        token(aud="others"),
        token(iss="others"),
        token(sub=None),
        token(exp=None),
        token(jti=None),
        token(groups="Teachers"),
        token(groups=["Teachers"]),
        token(groups=[]),
        token(scopes={"a": 1}),
        token(scopes=",%ff,"),
        token(key=OTHER),
        token(kid="unknown"),
        token(iat=int(time.time()) + 3600),
        token(key="x" * 32, algorithm="HS256"),
        jwt.encode({"sub": "users/ada"}, "", algorithm="none"),
        "nonsense",
        "",
        "a.b.c",
        "x" * 10_000,
    ],
)
def test_a_bad_token_is_refused(verifier: TokenVerifier, bad: str) -> None:
    with pytest.raises(TokenInvalid):
        verifier.verify(bad)


def test_without_keys_nobody_is_known() -> None:
    with pytest.raises(ServiceUnavailable):
        TokenVerifier().verify(token())


@pytest.mark.parametrize(
    "bad",
    [
        "nonsense",
        "null",
        "[]",
        "{}",
        '{"keys": null}',
        '{"keys": [1]}',
        '{"keys": [{}]}',
        '{"keys": [{"kid": "k"}]}',
        '{"keys": [{"kid": "k", "kty": "RSA", "n": "AQAB", "e": "AQAB"}]}',
        '{"keys": [{"kid": "k", "kty": "OKP", "crv": "Ed25519", "x": "A"}]}',
        '{"keys": [{"kid": "k", "kty": "OKP", "crv": "X25519", "x": "%s"}]}' % ("A" * 43),
    ],
)
def test_bad_keys_leave_the_good_ones(verifier: TokenVerifier, bad: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        verifier.use(bad)
    assert verifier.verify(token())
