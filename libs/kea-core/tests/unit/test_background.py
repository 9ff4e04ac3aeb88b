from __future__ import annotations

import asyncio
import logging

import pytest
from kea_core.background import PAUSE_SECONDS, repeat

REAL_SLEEP = asyncio.sleep


class Work:
    """Fails when its turn is named, and stops the test after its last turn."""

    def __init__(self, *, turns: int, failing: set[int]) -> None:
        self._turns = turns
        self._failing = failing
        self.done = 0

    async def __call__(self) -> None:
        self.done += 1
        if self.done == self._turns:
            raise asyncio.CancelledError
        if self.done in self._failing:
            problem = f"turn {self.done}"
            raise LookupError(problem)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)
        await REAL_SLEEP(0)

    monkeypatch.setattr("kea_core.background.asyncio.sleep", sleep)  # in place of hours
    return found


@pytest.mark.parametrize(("seconds", "after_failure"), [(3600.0, PAUSE_SECONDS), (0.25, 0.25)])
async def test_work_that_fails_is_told_and_tried_again_soon(
    pauses: list[float], caplog: pytest.LogCaptureFixture, seconds: float, after_failure: float
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(asyncio.CancelledError):
        await repeat("sweep", seconds, Work(turns=4, failing={2}))
    assert pauses == [seconds, seconds, after_failure, seconds]
    told = [record for record in caplog.records if record.name == "kea_core.background"]
    assert [(record.getMessage(), vars(record)["work"]) for record in told] == [("background work failed", "sweep")]
    assert "turn 2" in caplog.text
