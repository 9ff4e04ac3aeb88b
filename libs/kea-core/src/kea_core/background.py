"""Work that a service does again and again while it serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Time before a failed piece of work is tried again."""


async def repeat(name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Does some work every so many seconds, for ever; a failure is logged, and tried again soon."""
    pause = seconds
    while True:
        await asyncio.sleep(pause)
        pause = seconds
        try:
            await work()
        except Exception:
            # A database that is away for a while must not end a process that others rely on.
            log.exception("background work failed", extra={"work": name})
            pause = min(seconds, PAUSE_SECONDS)
