"""A bound on something that takes several calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from kea_sdk.errors import DeadlineExceeded, Unavailable

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
OUTAGE_SECONDS = 30.0
"""So long nothing may answer before waiting is given up: services may be restarted meanwhile."""


class Deadline:
    """A moment after which waiting ends.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, at_most: float) -> float:
        """Returns the seconds left for one call, at most so many."""
        return max(0.05, min(at_most, self._end - time.monotonic()))

    def rounds(self, what: str) -> Iterator[None]:
        """Gives turns, with pauses that grow between them.

        Raises:
            DeadlineExceeded: time is up; the message says what was waited for.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            yield
            if time.monotonic() >= self._end:
                problem = f"{what} took longer than {self._seconds:g} s"
                raise DeadlineExceeded(problem)
            time.sleep(min(pause, self.left(pause)))
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


class Patience:
    """Bears that nothing answers, for a while."""

    def __init__(self) -> None:
        self._since: float | None = None

    def answered(self) -> None:
        """Notes that something answered."""
        self._since = None

    def bear(self, error: Unavailable) -> None:
        """Notes that nothing did.

        Raises:
            Unavailable: for too long now.
        """
        now = time.monotonic()
        self._since = self._since if self._since is not None else now
        if now - self._since > OUTAGE_SECONDS:
            raise error


def patiently(look: Callable[[], bool], deadline: Deadline, what: str) -> None:
    """Looks again and again until `look` returns True.

    Raises:
        DeadlineExceeded: it did not within the deadline.
        Unavailable: nothing answered for half a minute.
    """
    patience = Patience()
    for _ in deadline.rounds(what):
        try:
            if look():
                return
            patience.answered()
        except Unavailable as error:
            patience.bear(error)
