"""The loop that looks at resources: one worker per key, woken by key, with longer and longer pauses after failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kea_deployer.operator.metrics import BROKEN, SETTLED, WAITING, OperatorMetrics
from kea_deployer.operator.resource import Key
from kea_deployer.reconcile.wake_queue import WakeQueue

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Again:
    """When a resource is to be looked at again, though nothing tells that it should be."""

    seconds: float
    failed: bool = False
    """Whether it is not as it should be: the pause then grows with each time in a row, and `seconds` is the longest."""


Look = Callable[[Key], Awaitable[Again | None]]
"""Looks at a resource and does what is to be done. It must not mind being cancelled anywhere."""


class Loop:
    """Level-triggered: a key says where to look, never what happened; keys that come while one works are one.

    Args:
        name: of what is looked at, for the log.
        look: does the work.
        at_once: looks at the same time.
        metrics: counts looks.
    """

    def __init__(self, name: str, look: Look, *, at_once: int, metrics: OperatorMetrics) -> None:
        self._name = name
        self._look = look
        self._metrics = metrics
        self._queue = WakeQueue()
        self._turns = asyncio.Semaphore(at_once)
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._pauses: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def wake(self, key: Key) -> None:
        """Has a resource looked at soon."""
        self._queue.wake(str(key))

    async def run(self) -> None:
        """Looks at what is woken, until cancelled."""
        try:
            async with asyncio.TaskGroup() as workers:
                while True:
                    name = await self._queue.next()
                    if name in self._working:
                        self._again.add(name)
                        continue
                    self._working.add(name)
                    workers.create_task(self._work(name), name=f"{self._name} {name}")
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _work(self, name: str) -> None:
        namespace, _, rest = name.partition("/")
        try:
            async with self._turns:
                self._again.discard(name)
                again = await self._look(Key(namespace, rest))
            self._metrics.looked(self._name, WAITING if again is not None and again.failed else SETTLED)
        except Exception:
            # One resource that breaks the program must not keep it from all others.
            log.exception("look failed", extra={"kind": self._name, "resource": name})
            self._metrics.looked(self._name, BROKEN)
            again = Again(LONGEST_PAUSE_SECONDS, failed=True)
        finally:
            self._working.discard(name)
        pause = self._pause(name, again)
        if name in self._again:
            self._again.discard(name)
            self._queue.wake(name)
        else:
            self._wake_later(name, pause)

    def _pause(self, name: str, again: Again | None) -> float | None:
        if again is None or not again.failed:
            self._pauses.pop(name, None)
            return None if again is None else again.seconds
        pause = min(self._pauses.get(name, FIRST_PAUSE_SECONDS), again.seconds)
        self._pauses[name] = pause * 2
        return pause

    def _wake_later(self, name: str, seconds: float | None) -> None:
        before = self._timers.pop(name, None)
        if before is not None:
            before.cancel()
        if seconds is None:
            return

        def due() -> None:
            self._timers.pop(name, None)
            self._queue.wake(name)

        self._timers[name] = asyncio.get_running_loop().call_later(seconds, due)
