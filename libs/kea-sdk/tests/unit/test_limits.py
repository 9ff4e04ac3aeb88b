from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea.router.v1 import limits_pb2
from kea_sdk.errors import InvalidArgument, ResourceExhausted
from kea_sdk.http_error_mapping import from_response
from kea_sdk.limits import Limits, RateLimit
from kea_sdk.limits_convert import limits, limits_message, rate

RATES = st.builds(
    RateLimit,
    requests=st.integers(1, 1_000_000),
    period_seconds=st.integers(1, 86_400),
    burst=st.integers(0, 1_000_000),
)


@given(RATES)
def test_a_rate_is_read_as_it_is_written(rate: RateLimit) -> None:
    assert RateLimit.parse(str(rate)) == rate


@pytest.mark.parametrize(
    ("text", "requests", "seconds", "burst"),
    [
        ("100/s", 100, 1, 0),
        ("10/m", 10, 60, 0),
        ("5/30s", 5, 30, 0),
        ("1/d,burst=9", 1, 86_400, 9),
        ("2/2h", 2, 7200, 0),
    ],
)
def test_rates_are_written_as_people_do(text: str, requests: int, seconds: int, burst: int) -> None:
    assert RateLimit.parse(text) == RateLimit(requests=requests, period_seconds=seconds, burst=burst)


@pytest.mark.parametrize("text", ["", "10", "10/", "/s", "-1/s", "1.5/s", "10/w", "10 /s", "10/m,burst", "none"])
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidArgument, match="expected for example 100/s") as caught:
        RateLimit.parse(text)
    assert caught.value.reason == "LIMIT_INVALID"


@given(st.builds(Limits, total=st.none() | RATES, per_consumer=st.none() | RATES))
def test_limits_survive_their_message(wanted: Limits) -> None:
    assert limits(limits_message(wanted)) == wanted


def test_a_rate_without_a_period_is_per_second() -> None:
    assert str(rate(limits_pb2.RateLimit(requests=7))) == "7/s"


@pytest.mark.parametrize(("header", "told"), [("17", "too many requests (in 17 s)"), ("soon", "too many requests")])
def test_a_refusal_says_when_to_come_back(header: str, told: str) -> None:
    answer = {"detail": "too many requests", "reason": "RATE_LIMITED"}
    error = from_response(httpx.Response(429, json=answer, headers={"retry-after": header}))
    assert isinstance(error, ResourceExhausted)
    assert (str(error), error.reason) == (told, "RATE_LIMITED")
    assert error.metadata.get("retry_after_seconds") == (header if header == "17" else None)
