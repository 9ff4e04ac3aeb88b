"""Lengths of time, as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> timedelta:
    """Reads `90s`, `30m`, `12h` or `90d`.

    Raises:
        typer.BadParameter: it is none of these.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if found is None:
        problem = f"{text!r} is no duration; expected for example 90s, 30m, 12h or 90d"
        raise typer.BadParameter(problem)
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def until(time: datetime | None) -> str:
    """Returns how long it is until a time, as people say it; nothing where that is past, or there is none."""
    seconds = int((time - datetime.now(UTC)).total_seconds()) if time is not None else 0
    unit = next((unit for unit in reversed(_UNITS) if seconds >= _UNITS[unit]), None)
    return f"{seconds // _UNITS[unit]}{unit}" if unit else ""
