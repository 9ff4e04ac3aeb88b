"""How often somebody may try."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

MAX_KEYS = 20_000
"""Those remembered at once; with one more whoever has tried least recently is forgotten."""
MINUTE = 60.0


class Attempts:
    """Lets a number of attempts a minute through for each key, in a bounded memory: of this process alone.

    Args:
        per_minute: how many, which may also come at once.
        now: seconds that never go back.
    """

    def __init__(self, per_minute: int, now: Callable[[], float]) -> None:
        self._most = float(per_minute)
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, key: str) -> int:
        """Counts an attempt; returns 0, or after how many seconds there may be another where this was one too many."""
        now = self._now()
        left, since = self._left.pop(key, (self._most, now))
        left = min(self._most, left + (now - since) * self._most / MINUTE)
        allowed = left >= 1.0
        self._left[key] = (left - 1.0 if allowed else left, now)
        if len(self._left) > MAX_KEYS:
            self._left.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1.0 - left) * MINUTE / self._most))
