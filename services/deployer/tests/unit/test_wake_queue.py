from __future__ import annotations

import asyncio

from kea_deployer.reconcile.wake_queue import WakeQueue


async def test_a_name_that_waits_is_not_added_again_and_one_that_was_taken_is() -> None:
    queue = WakeQueue()
    for name in ("a", "b", "a"):
        queue.wake(name)
    assert [await queue.next(), await queue.next()] == ["a", "b"]
    queue.wake("a")
    assert await queue.next() == "a"
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(queue.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        queue.wake("c")
    assert waiting.result() == "c"
