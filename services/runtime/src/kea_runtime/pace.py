"""Whether a call is cheap enough to run on the event loop.

A hop to a thread and back costs as much as a small model's whole call (measured with iris and 16 connections: 379 us
of CPU per request in threads, 272 us inline, of which scikit-learn has most), so small ones run inline. What is small
is learnt, not guessed: by method and by magnitude of the input.
"""

from __future__ import annotations

INLINE_SECONDS = 0.001
"""Calls expected to be shorter run on the loop: ten hops' worth, and less than a caller would notice."""

_SMOOTHING = 0.2


class Pace:
    """Moving averages of a method's call times, per power of two of input elements."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    def is_cheap(self, size: int) -> bool:
        """Returns whether calls of this size, a power of two of elements, have been short; an unknown one is not."""
        return self._seconds.get(size, INLINE_SECONDS) < INLINE_SECONDS

    def record(self, size: int, seconds: float) -> None:
        """Takes one call's time into account; the first, which also warms caches up, fades like any other."""
        known = self._seconds.get(size)
        self._seconds[size] = seconds if known is None else known + _SMOOTHING * (seconds - known)
