from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer
from kea_sdk.cli.durations import duration, until


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("90d", 90 * 86400)])
def test_a_duration_has_a_unit(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "0s", "1w", "-1d", "1.5h", "1d12h", "1000000s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no duration; expected for example 90s"):
        duration(text)


@pytest.mark.parametrize(("seconds", "text"), [(-5, ""), (10, "9s"), (130, "2m"), (90 * 86400 + 5, "90d")])
def test_what_is_left_is_said_as_people_do(seconds: int, text: str) -> None:
    assert until(datetime.now(UTC) + timedelta(seconds=seconds, milliseconds=-500)) == text


def test_no_time_is_never() -> None:
    assert until(None) == ""
