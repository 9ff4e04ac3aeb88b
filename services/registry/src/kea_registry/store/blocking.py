"""Calls that block, in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Blocking:
    """Runs calls in threads, so many at once and no more.

    Args:
        limit: calls at once; the others wait.
    """

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a call and returns what it returns.

        A thread cannot be stopped: where the caller is cancelled, this waits for the call's end, so that nobody closes
        or removes what the thread is at.
        """
        async with self._slots:
            running = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])
                if not running.cancelled():
                    running.exception()
                raise
