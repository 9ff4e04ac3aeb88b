"""The clock, as a parameter that tests can replace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment, aware, in UTC."""


def utc_now() -> datetime:
    """Returns the present moment, aware, in UTC."""
    return datetime.now(UTC)
