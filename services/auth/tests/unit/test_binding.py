from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from kea_auth.domain.binding import binding_id
from kea_core.validation import RESOURCE_ID

GROUPS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).map("groups/{}".format)
MEMBERS = st.one_of(st.just("everyone"), GROUPS, st.from_regex(r"users/[a-z0-9._@+-]{1,10}", fullmatch=True))
ROLES = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
RESOURCES = st.one_of(st.just(""), st.from_regex(r"projects/[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True))
BINDINGS = st.tuples(MEMBERS, ROLES, RESOURCES)


@given(BINDINGS, BINDINGS)
def test_two_bindings_have_the_same_id_where_they_say_the_same_only(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (binding_id(*one) == binding_id(*other)) == (one == other)


@given(BINDINGS)
def test_an_id_is_one_of_a_resource_and_never_another(binding: tuple[str, str, str]) -> None:
    assert re.fullmatch(RESOURCE_ID, binding_id(*binding))


def test_ids_stay_as_they_are_stored() -> None:
    assert binding_id("users/ada", "viewer", "projects/p") == "babbf2de7b354c22f4bfa3daa"
