from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kea_auth.login.errors import LoginRefused
from kea_auth.login.identity import identity_of
from kea_auth.login.provider import Provider
from kea_auth.login.user import federated_user
from kea_core.clock import utc_now

ISSUER = "https://id.example.org"


def provider(**changes: Any) -> Provider:
    return replace(Provider(id="corp", issuer=ISSUER, client_id="kea"), **changes)


def test_the_subject_is_the_user_where_nothing_else_is_said() -> None:
    claims = {"sub": "ada", "groups": ["b", "a", "a"], "email": "ada@example.org", "email_verified": True}
    found = identity_of(provider(), claims)
    assert (found.issuer, found.subject, found.user, found.groups) == (ISSUER, "ada", "ada", ("a", "b"))
    assert found.email == "ada@example.org"


def test_an_address_that_is_not_verified_is_nobodys() -> None:
    claims = {"sub": "1", "email": "ada@example.org"}
    assert identity_of(provider(), claims).email == ""
    for claim in ("email", "preferred_username"):
        with pytest.raises(LoginRefused, match="not verified"):
            identity_of(provider(user_claim=claim), claims | {"preferred_username": "ada@example.org"})
    verified = claims | {"email_verified": True}
    assert identity_of(provider(user_claim="email"), verified).user == "ada@example.org"
    with pytest.raises(LoginRefused):
        identity_of(provider(user_claim="email"), claims | {"email_verified": "true"})


@pytest.mark.parametrize("claims", [{}, {"sub": ""}, {"sub": 5}, {"sub": "x" * 256}, {"sub": ["ada"]}])
def test_whoever_is_not_named_is_nobody(claims: dict[str, Any]) -> None:
    with pytest.raises(LoginRefused, match="does not say who you are"):
        identity_of(provider(), claims)


@pytest.mark.parametrize(
    ("groups", "found"),
    [("one", ("one",)), (None, ()), ([1, "a"], ("a",)), ({"a": 1}, ()), (["bad\n", " x", "a"], ("a",))],
)
def test_groups_of_any_shape(groups: object, found: tuple[str, ...]) -> None:
    assert identity_of(provider(), {"sub": "ada", "groups": groups}).groups == found


def test_groups_are_prefixed_and_left_out_as_settings_say() -> None:
    settings = provider(groups_prefix="corp:", groups_pattern="kea-.*", groups_claim="roles")
    assert identity_of(settings, {"sub": "ada", "roles": ["kea-a", "other"]}).groups == ("corp:kea-a",)


def test_more_groups_than_a_token_holds_are_refused() -> None:
    with pytest.raises(LoginRefused, match="groups_pattern"):
        identity_of(provider(), {"sub": "ada", "groups": [f"group-{number}" for number in range(1000)]})


@pytest.mark.parametrize("name", ["admin", "a/b", "", " ada", "ä", "x" * 128, "a\n"])
def test_names_that_no_provider_gives(name: str) -> None:
    with pytest.raises(LoginRefused):
        federated_user(identity_of(provider(), {"sub": name}), "uid", utc_now())
