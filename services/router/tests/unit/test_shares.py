from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_router.translate.shares import shares

NAMES = st.text("abcdef", min_size=1, max_size=3)
WEIGHTS = st.dictionaries(NAMES, st.integers(0, 10_000), min_size=1, max_size=16).filter(lambda w: any(w.values()))


@given(WEIGHTS, st.integers(1, 100_000))
def test_parts_add_up_and_are_never_more_than_one_off(weights: dict[str, int], total: int) -> None:
    parts = shares(weights, total)
    assert sum(parts.values()) == total
    assert parts.keys() == weights.keys()
    whole = sum(weights.values())
    for name, part in parts.items():
        assert abs(part - weights[name] * total / whole) < 1


@given(WEIGHTS)
def test_a_zero_weight_gets_nothing(weights: dict[str, int]) -> None:
    assert all(shares(weights)[name] == 0 for name, weight in weights.items() if weight == 0)


@given(WEIGHTS)
def test_the_order_of_names_does_not_matter(weights: dict[str, int]) -> None:
    assert shares(weights) == shares(dict(reversed(weights.items())))


def test_the_largest_remainder_is_served_first_and_the_last_name_gets_no_leftovers() -> None:
    assert shares({"a": 1, "b": 1, "c": 1, "d": 0}, 100) == {"a": 34, "b": 33, "c": 33, "d": 0}
    assert shares({"a": 1, "b": 2}, 100) == {"a": 33, "b": 67}


@pytest.mark.parametrize("weights", [{}, {"a": 0}])
def test_nothing_cannot_be_split(weights: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        shares(weights)
