from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
from kea_auth.domain.claims import Claims
from kea_auth.domain.key_ring import KeyRing
from kea_auth.domain.signing_key import make_key
from kea_core.principal import Principal
from kea_core.tokens import TokenVerifier

NOW = datetime.now(UTC)
KEY = make_key(1, NOW, NOW)
PLAIN = Claims(subject="users/ada", token="t-1", create_time=NOW, expire_time=NOW + timedelta(hours=1))


def test_a_token_says_who_calls_and_leaves_out_what_there_is_none_of() -> None:
    claims = jwt.decode(PLAIN.sign(KEY), options={"verify_signature": False})
    assert claims == {
        "iss": "kea",
        "aud": "kea",
        "sub": "users/ada",
        "jti": "t-1",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3600,
    }


def test_the_same_claims_make_the_same_token_and_others_another() -> None:
    whole = replace(PLAIN, groups=["b", "a"], scopes=("viewer",), session="s-1", account="u-1")
    assert whole.sign(KEY) == replace(whole, groups={"a", "b"}).sign(KEY)
    for other in (
        replace(whole, groups=["a"]),
        replace(whole, scopes=()),
        replace(whole, session=""),
        replace(whole, account="u-2"),
        replace(whole, token="t-2"),
        replace(whole, expire_time=NOW),
    ):
        assert other.sign(KEY) != whole.sign(KEY)
    assert whole.sign(KEY) != whole.sign(make_key(2, NOW, NOW))


def test_a_verifier_reads_what_was_said() -> None:
    verifier = TokenVerifier()
    verifier.use(KeyRing([KEY]).jwks())
    whole = replace(PLAIN, groups=["b", "a"], scopes=("consumer", "viewer"), session="s-1", account="u-1")
    assert verifier.verify(whole.sign(KEY)) == Principal(
        subject="users/ada",
        groups=frozenset({"a", "b"}),
        scopes=("consumer", "viewer"),
        token="t-1",
        session="s-1",
        account="u-1",
        expires_at=float(int(NOW.timestamp()) + 3600),
    )
