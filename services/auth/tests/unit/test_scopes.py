from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_auth.domain.errors import ScopeNotHeld
from kea_auth.domain.scopes import check_held
from kea_core.permission import grants
from kea_core.principal import Principal

PARTS = st.sampled_from(["a", "b", "*"])
GRANTS = st.lists(st.tuples(PARTS, PARTS, PARTS).map(".".join), min_size=1, max_size=3).map(tuple)
ROLES = st.fixed_dictionaries({"one": GRANTS, "two": GRANTS, "three": GRANTS})
IDS = st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=2, unique=True)
PERMISSIONS = [f"{x}.{y}.{z}" for x in "ab" for y in "ab" for z in "ab"]


@given(ROLES, IDS, IDS)
def test_a_token_that_is_made_with_another_never_may_do_more(
    roles: dict[str, tuple[str, ...]], held: list[str], wanted: list[str]
) -> None:
    try:
        check_held(roles, wanted, Principal("users/ada", scopes=tuple(sorted(held))))
    except ScopeNotHeld:
        return
    for permission in PERMISSIONS:
        if any(grants(roles[scope], permission) for scope in wanted):
            assert any(grants(roles[scope], permission) for scope in held)


def test_who_is_not_limited_may_be_limited_to_anything() -> None:
    check_held({"one": ("*.*.*",)}, ["one"], Principal("users/ada"))
    with pytest.raises(ScopeNotHeld):
        check_held({"one": ("*.*.*",), "two": ("a.b.c",)}, ["one"], Principal("users/ada", scopes=("two",)))
