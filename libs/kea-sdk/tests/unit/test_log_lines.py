from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from kea_sdk import LogLine, Unavailable
from kea_sdk.log_lines import following, merged


def line(second: int, text: str = "") -> LogLine:
    time = datetime.fromtimestamp(second, UTC) if second else None
    return LogLine(time=time, deployment="iris-v1", replica="a", text=text or str(second))


def broken(error: Exception) -> Iterator[LogLine]:
    yield line(1)
    raise error


def test_lines_of_several_are_given_oldest_first() -> None:
    found = merged([iter([line(1), line(4)]), iter([line(0), line(3)]), iter([])])
    assert [entry.text for entry in found] == ["0", "1", "3", "4"]


def test_following_gives_the_lines_of_all_until_all_have_ended() -> None:
    found = following([iter([line(1), line(4)]), iter([line(2)]), iter([])])
    assert sorted(entry.text for entry in found) == ["1", "2", "4"]
    assert list(following([])) == []
    assert [entry.text for entry in following([iter([line(1)])])] == ["1"]


@pytest.mark.parametrize(
    "error", [Unavailable("gone"), ValueError("channel closed")], ids=lambda error: type(error).__name__
)
def test_following_ends_with_the_first_failure_whatever_it_is(error: Exception) -> None:
    with pytest.raises(type(error)):
        list(following([iter([line(2)]), broken(error)]))
