from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kea_deployer.domain.plan import MAX_MESSAGE, Failure


@given(st.text(st.characters(codec=None), max_size=50) | st.text(min_size=1).map(lambda text: text * 9000))
def test_whatever_a_program_says_can_be_stored_and_sent(message: str) -> None:
    told = Failure.told("MODEL_LOAD_FAILED", message, final=True).message
    assert told.encode(errors="replace").decode() == told
    assert "\0" not in told
    assert len(told) <= MAX_MESSAGE


def test_of_long_words_begin_and_end_are_kept() -> None:
    told = Failure.told("ENVIRONMENT_FAILED", "error: " + "." * 10_000 + " hint: less", final=True).message
    assert told.startswith("error: ")
    assert told.endswith(" hint: less")
    assert len(told) == MAX_MESSAGE
