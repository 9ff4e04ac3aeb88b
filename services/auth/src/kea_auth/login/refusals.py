"""Which refusals are events of their own, so that nobody can fill the audit log by failing to log in."""

from __future__ import annotations

from collections.abc import Callable

from kea_auth.login.attempts import Attempts

OF_ADDRESS_A_MINUTE = 60
"""Refusals told each, of one address: twice as many as passwords may be tried from it."""
MOST_A_MINUTE = 120
"""Refusals told each, of all addresses: 6.5 GB in 90 days if it never stops and each comes alone (420 bytes), where an
audit log may have 10 GiB."""
LIMITED_A_MINUTE = 1
"""Of those that the limit of attempts has refused, from one address: one says that it holds."""


class Refusals:
    """Lets a number of refusals a minute through, in a bounded memory, and counts the others.

    Args:
        now: seconds that never go back.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._of_addresses = Attempts(OF_ADDRESS_A_MINUTE, now)
        self._limited = Attempts(LIMITED_A_MINUTE, now)
        self._all = Attempts(MOST_A_MINUTE, now)
        self._untold = 0

    def take(self, address: str, *, limited: bool) -> bool:
        """Returns whether a refusal is to be told; `limited` says that the limit of attempts is what has refused."""
        mine = self._limited if limited else self._of_addresses
        told = not mine.take(address) and not self._all.take("")
        self._untold += not told
        return told

    def untold(self) -> int:
        """Returns how many were not, since this was asked last."""
        count, self._untold = self._untold, 0
        return count
