from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_core.claim_list import pack, unpack

NAMES = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=5)


@given(NAMES)
def test_what_is_packed_can_be_unpacked_and_stands_in_a_header(names: list[str]) -> None:
    text = pack(names)
    assert unpack(text) == names
    assert re.fullmatch(r"[ -~]*", text)


@given(NAMES, st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_a_name_is_a_part_of_the_list_where_it_is_one_of_it_and_nowhere_else(names: list[str], name: str) -> None:
    assert (pack([name]) in pack(names)) == (name in names)


def test_names_are_written_as_they_are_but_for_commas_and_percent_signs() -> None:
    assert pack(["Teachers", "a group", "x=y|z", "a,b", "5%"]) == ",Teachers,a group,x=y|z,a%2Cb,5%25,"
    assert pack([]) == ""


@pytest.mark.parametrize("text", [",", ",,", "a", ",a", "a,", ",a,,b,", ",a\n,", ",ä,", ",%ff,"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpack(text)
