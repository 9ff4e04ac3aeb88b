"""Answers of other services, remembered for a moment, and for longer while they cannot be asked again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import grpc

from kea_gateway.portal.catalog import CatalogUnavailableError

T = TypeVar("T")

_UNREACHED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""Codes that say nothing of the thing asked for. The last known answer is better than none."""


class Memory(Generic[T]):
    """Remembers answers by key; the least recently used one is forgotten first.

    Args:
        fresh_seconds: how long an answer is given again without asking.
        capacity: most answers remembered.
        clock: seconds that never go back.
    """

    def __init__(
        self, fresh_seconds: float, capacity: int = 4096, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fresh = fresh_seconds
        self._capacity = capacity
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, T]] = OrderedDict()

    async def get(self, key: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Returns the answer, or None where the thing does not exist.

        Raises:
            CatalogUnavailableError: the service is not reached and nothing is remembered.
        """
        held = self._held.get(key)
        if held is not None and self._clock() - held[0] < self._fresh:
            self._held.move_to_end(key)
            return held[1]
        try:
            answer = await ask()
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                self._held.pop(key, None)
                return None
            if error.code() not in _UNREACHED or held is None:
                problem = f"{key} is not known: {error.code().name} {error.details()}"
                raise CatalogUnavailableError(problem) from error
            return held[1]
        self._held[key] = (self._clock(), answer)
        self._held.move_to_end(key)
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)
        return answer
