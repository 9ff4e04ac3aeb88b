from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from kea_core.task_scope import TaskScope


class Work:
    """Runs for ever, and tells when it begins and ends."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.ended = False

    async def run(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def test_what_still_runs_at_the_end_is_cancelled() -> None:
    work = Work()
    async with asyncio.timeout(5), TaskScope() as scope:
        task = scope.create_task(work.run(), name="work")
        await work.began.wait()
    assert work.ended
    assert task.cancelled()
    assert task.get_name() == "work"


async def test_what_has_not_begun_never_does() -> None:
    work = Work()
    async with asyncio.timeout(5), TaskScope() as scope:
        scope.create_task(work.run(), name="work")
    assert not work.began.is_set()


async def fails() -> None:
    raise LookupError


async def test_work_that_fails_ends_the_block_and_all_other_work() -> None:
    work = Work()

    async def block() -> None:
        async with TaskScope() as scope:
            scope.create_task(work.run(), name="work")
            await work.began.wait()
            scope.create_task(fails(), name="fails")
            await asyncio.Event().wait()

    await failing(block, LookupError)
    assert work.ended


async def test_a_block_that_fails_ends_its_work() -> None:
    work = Work()

    async def block() -> None:
        async with TaskScope() as scope:
            scope.create_task(work.run(), name="work")
            await work.began.wait()
            raise KeyError

    await failing(block, KeyError)
    assert work.ended


async def failing(block: Callable[[], Awaitable[None]], kind: type[Exception]) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(ExceptionGroup) as caught:
            await block()
    assert [type(error) for error in caught.value.exceptions] == [kind]
