"""Where a call of the model runs: on the loop, in a thread, or awaited."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from kea_runtime.errors import CallError, ModelFailed, Overloaded
from kea_runtime.pace import Pace

Values = dict[str, Any]
"""Inputs or outputs by name: arrays for tensors, plain JSON otherwise."""


class Style(enum.Enum):
    """How a method of a model wants to be run."""

    PACED = enum.auto()
    """Pure computation: on the loop while calls are short, else in a thread."""

    THREAD = enum.auto()
    """May block for reasons of its own (files, network), so never on the loop."""

    COROUTINE = enum.auto()
    """Awaited on the loop."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A method of a loaded model: takes inputs by name, and gives what the model gives."""

    function: Callable[[Values], Any]
    style: Style
    by_row: bool = False
    """Whether the framework promises that it makes of each row what it would make of it alone."""


class Threads:
    """A bounded thread pool with a bounded queue before it.

    Args:
        workers: calls that run at the same time.
        waiting: calls that may be queued; further ones are refused.
    """

    def __init__(self, workers: int = 8, waiting: int = 1024) -> None:
        self._pool = ThreadPoolExecutor(workers, "model")
        self._limit = workers + waiting
        self._pending = 0

    async def run(self, function: Callable[[Values], Any], inputs: Values) -> Any:
        """Runs the function in a thread.

        Raises:
            Overloaded: the queue is full.
        """
        if self._pending >= self._limit:
            raise Overloaded
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, inputs)
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Forgets queued calls. Running ones are not waited for: drain before."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Caller:
    """Calls a method of the model where its style, and how long such calls have taken, say."""

    def __init__(self, bound: Bound, threads: Threads) -> None:
        self._function = bound.function
        self._style = bound.style
        self._threads = threads
        self._pace = Pace()

    def is_inline(self, inputs: Values) -> bool:
        """Returns whether a call with such inputs is short enough for the loop."""
        return self._style is Style.PACED and self._pace.is_cheap(_size(inputs))

    def call_inline(self, inputs: Values) -> Any:
        """Calls the model here and now.

        Raises:
            ModelFailed: the model raised.
        """
        start = time.perf_counter()
        try:
            result = self._function(inputs)
        except CallError:
            raise
        except Exception as error:
            raise ModelFailed from error
        self._pace.record(_size(inputs), time.perf_counter() - start)
        return result

    async def call(self, inputs: Values) -> Any:
        """Calls the model where such a call belongs.

        Raises:
            ModelFailed: the model raised.
            Overloaded: too many calls wait for a thread.
        """
        if self.is_inline(inputs):
            return self.call_inline(inputs)
        try:
            if self._style is Style.COROUTINE:
                awaitable: Awaitable[Any] = self._function(inputs)
                return await awaitable
            run = self._timed_in_thread if self._style is Style.PACED else self._function
            return await self._threads.run(run, inputs)
        except CallError:
            raise
        except Exception as error:
            raise ModelFailed from error

    def _timed_in_thread(self, inputs: Values) -> Any:
        # The thread's own time: wall time in the pool counts the wait for other threads, which makes every call dear
        # as soon as a few run at once, and then none would ever come back to the loop.
        start = time.thread_time()
        try:
            return self._function(inputs)
        finally:
            self._pace.record(_size(inputs), time.thread_time() - start)


def _size(inputs: Values) -> int:
    """Returns the magnitude of the inputs: the power of two of their elements."""
    elements = 0
    for value in inputs.values():
        if type(value) is np.ndarray:
            elements += value.size
    return elements.bit_length()
