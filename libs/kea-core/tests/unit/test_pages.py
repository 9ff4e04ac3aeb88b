from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_core.errors import PageTokenInvalid
from kea_core.pages import Page, page_token, read_page


@given(st.text(), st.text())
def test_a_token_leads_to_the_next_page_of_its_listing(listing: str, last: str) -> None:
    assert read_page(listing, 10, page_token(listing, last)) == Page(size=10, after=last)


def test_sizes_have_a_default_and_a_most() -> None:
    assert read_page("models", 0, "").size == 50
    assert read_page("models", 100_000, "").size == 1000


@pytest.mark.parametrize(
    "token", ["nonsense", page_token("others", "a"), base64.urlsafe_b64encode(b"[1,2,3]").decode(), "ä", "e30="]
)
def test_a_token_of_elsewhere_is_refused(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        read_page("models", 10, token)
