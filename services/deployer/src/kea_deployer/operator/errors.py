"""Why a custom resource cannot become what it says."""

from __future__ import annotations

from kea_deployer.operator.reasons import Reason

MOST_OF_MESSAGE = 2048
"""Characters of a message that are shown in a status."""


class Problem(Exception):
    """Something a condition tells of.

    Args:
        reason: a `Reason`, or one of KEA's API.
        message: what, where, and what was expected.
        passing: whether it can pass by itself, so that it is tried again; else the resource, or what it names, has to
            change first.
    """

    def __init__(self, reason: str, message: str, *, passing: bool = False) -> None:
        super().__init__(message[:MOST_OF_MESSAGE])
        self.reason = reason
        self.passing = passing


def spec_invalid(*, field: str, found: object, expected: str) -> Problem:
    """Returns what is wrong with a field of a spec."""
    return Problem(Reason.SPEC_INVALID, f"spec.{field} is {found!r}; expected {expected}")
