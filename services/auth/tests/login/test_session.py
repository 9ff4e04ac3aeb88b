from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from kea_auth.login.grant import NO_GRANT, ProviderGrant, grant_from_json
from kea_auth.login.session import (
    BROWSER,
    GRACE,
    RefreshToken,
    Verdict,
    new_secret,
    new_session,
    parse_refresh_token,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)


def test_the_first_token_is_good_until_it_is_used() -> None:
    session, token = new_session("ada", "", BROWSER, NO_GRANT, NOW, timedelta(hours=1))
    assert session.judge(token, SOON) is Verdict.CURRENT
    following = replace(token, secret=new_secret())
    rotated = session.rotated(following.secret, NO_GRANT, SOON)
    assert rotated.judge(following, SOON) is Verdict.CURRENT
    assert rotated.judge(token, SOON + GRACE / 2) is Verdict.JUST_USED
    assert rotated.judge(token, SOON + GRACE) is Verdict.REUSED


def test_one_used_twice_ago_is_reused_at_once() -> None:
    session, token = new_session("ada", "", BROWSER, NO_GRANT, NOW, timedelta(hours=1))
    rotated = session.rotated(new_secret(), NO_GRANT, SOON).rotated(new_secret(), NO_GRANT, SOON)
    assert rotated.judge(token, SOON) is Verdict.REUSED


def test_a_forged_token_is_unknown_and_ends_no_session() -> None:
    session, token = new_session("ada", "", BROWSER, NO_GRANT, NOW, timedelta(hours=1))
    assert session.judge(replace(token, family=new_secret()), NOW) is Verdict.UNKNOWN
    assert session.judge(RefreshToken(token.session, "", ""), NOW) is Verdict.UNKNOWN


def test_neither_secrets_nor_grants_show_themselves() -> None:
    grant = ProviderGrant(refresh_token="r-secret", access_token="a-secret", id_token="i-secret")
    session, token = new_session("ada", "corp", BROWSER, grant, NOW, timedelta(hours=1))
    assert "secret" not in repr(session).replace("secret_hash", "")
    assert token.secret not in repr(token)
    assert token.family not in repr(token)
    assert grant_from_json(grant.to_json()) == grant


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.", "a.b.c.d", "ä.b.c", "a." + "b" * 300 + ".c"])
def test_what_is_no_refresh_token(text: str) -> None:
    assert parse_refresh_token(text) is None


def test_a_refresh_token_is_read_as_it_was_written() -> None:
    _, token = new_session("ada", "", BROWSER, NO_GRANT, NOW, timedelta(hours=1))
    assert parse_refresh_token(str(token)) == token
