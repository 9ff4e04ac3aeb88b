"""Limits of endpoints and projects, and how people write them. Free of protobuf."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from kea_sdk.errors import InvalidArgument

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RATE = re.compile(r"(?P<requests>[0-9]{1,9})/(?P<count>[0-9]{1,9})?(?P<unit>[smhd])(, ?burst=(?P<burst>[0-9]{1,9}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """So many requests in each period, and so many at once. Beyond that: 429 with `Retry-After`."""

    requests: int
    """1 to 1000000."""
    period_seconds: int = 1
    """1 to 86400."""
    burst: int = 0
    """Most at once, after a pause; 0: as many as `requests`."""

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """Reads a rate: `100/s`, `10/m`, `5/30s`, or with what may come at once, `10/m,burst=3`.

        Raises:
            InvalidArgument: it is none.
        """
        found = _RATE.fullmatch(text)
        if found is None:
            problem = f"{text!r} is no rate; expected for example 100/s, 10/m, 5/30s or 10/m,burst=3"
            raise InvalidArgument(problem, reason="LIMIT_INVALID")
        seconds = int(found["count"] or 1) * _UNITS[found["unit"]]
        return cls(requests=int(found["requests"]), period_seconds=seconds, burst=int(found["burst"] or 0))

    def __str__(self) -> str:
        """Returns it as `parse` reads it."""
        unit = next(unit for unit in reversed(_UNITS) if self.period_seconds % _UNITS[unit] == 0)
        count = self.period_seconds // _UNITS[unit]
        burst = f", burst={self.burst}" if self.burst else ""
        return f"{self.requests}/{count if count != 1 else ''}{unit}{burst}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an endpoint takes at most: rates of all gateways together, what is in progress at each of them."""

    total: RateLimit | None = None
    """Of all requests together."""
    per_consumer: RateLimit | None = None
    """Of each consumer by itself."""
    max_concurrent_requests: int = 0
    """Most requests in progress at once; 0: no limit."""
    max_concurrent_requests_per_consumer: int = 0
    """Most requests of each consumer in progress at once; 0: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLimits:
    """What the endpoints of a project take together: the rate at all gateways, what is in progress at each of them."""

    total: RateLimit | None
    max_concurrent_requests: int
    """Most requests in progress at once; 0: no limit."""
    update_time: datetime | None
    """When it was last changed; None: never."""
    etag: str
