from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from kea_deployer.operator import loop
from kea_deployer.operator.loop import Again, Loop
from kea_deployer.operator.metrics import OperatorMetrics
from kea_deployer.operator.resource import Key
from prometheus_client import CollectorRegistry

IRIS, ROSE = Key("team-a", "iris"), Key("team-a", "rose.x")


class Looks:
    """Notes what is looked at; does what the test says."""

    def __init__(self, answer: Callable[[Key], Awaitable[Again | None]]) -> None:
        self.seen: list[Key] = []
        self.metrics = CollectorRegistry()
        self._answer = answer
        self._changed = asyncio.Event()

    async def look(self, key: Key) -> Again | None:
        self.seen.append(key)
        self._changed.set()
        return await self._answer(key)

    def counted(self, outcome: str) -> float:
        return self.metrics.get_sample_value("kea_operator_looks_total", {"kind": "test", "outcome": outcome}) or 0.0

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def running(looks: Looks, at_once: int = 4) -> AsyncGenerator[Loop]:
    made = Loop("test", looks.look, at_once=at_once, metrics=OperatorMetrics(looks.metrics))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(made.run())
        yield made
        task.cancel()


async def nothing(_key: Key) -> None:
    await asyncio.sleep(0)


async def test_each_is_looked_at_once_however_often_it_is_woken_meanwhile() -> None:
    free = asyncio.Event()

    async def wait(_key: Key) -> None:
        await free.wait()

    looks = Looks(wait)
    async with running(looks) as made:
        made.wake(IRIS)
        await looks.until(1)
        for _ in range(5):
            made.wake(IRIS)
            await asyncio.sleep(0)
        made.wake(ROSE)
        await looks.until(2)
        assert looks.seen == [IRIS, ROSE], "one that works does not hold up another"
        free.set()
        await looks.until(3)
        await asyncio.sleep(0.05)
    assert looks.seen == [IRIS, ROSE, IRIS]
    assert looks.counted("settled") == 3


async def test_a_look_is_repeated_when_it_says_so() -> None:
    async def soon(_key: Key) -> Again:
        await asyncio.sleep(0)
        return Again(0.01)

    looks = Looks(soon)
    async with running(looks) as made:
        made.wake(IRIS)
        await looks.until(3)


async def test_pauses_after_failures_grow_up_to_their_bound_and_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_PAUSE_SECONDS", 0.02)
    times: list[float] = []

    async def fail(_key: Key) -> Again:
        await asyncio.sleep(0)
        times.append(asyncio.get_running_loop().time())
        return Again(0.001, failed=False) if len(times) == 5 else Again(0.1, failed=True)

    looks = Looks(fail)
    async with running(looks) as made:
        made.wake(IRIS)
        await looks.until(7)
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert looks.counted("waiting") >= 5
    assert pauses[0] >= 0.02
    assert pauses[1] >= 0.04
    assert pauses[2] >= 0.08
    assert 0.1 <= pauses[3] < 0.16, "no longer than the bound"
    assert pauses[4] < 0.08, "what has succeeded once fails anew"


async def test_one_that_breaks_the_program_does_not_keep_it_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_PAUSE_SECONDS", 0.01)

    async def breaks(key: Key) -> None:
        await asyncio.sleep(0)
        if key == IRIS:
            problem = "a bug"
            raise ValueError(problem)

    looks = Looks(breaks)
    async with running(looks, at_once=1) as made:
        made.wake(IRIS)
        await looks.until(2)
        made.wake(ROSE)
        async with asyncio.timeout(10):
            while ROSE not in looks.seen:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.01)
    assert looks.seen.count(IRIS) >= 2, "it is tried again"
    assert looks.counted("broken") >= 2
