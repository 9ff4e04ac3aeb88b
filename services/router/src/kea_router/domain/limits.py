"""How many requests endpoints and projects take at most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kea_router.domain.errors import LimitInvalid

MAX_REQUESTS = 1_000_000
"""Most requests of a period, and most at once."""
MAX_PERIOD_SECONDS = 86_400
MAX_CONCURRENT = 100_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests in each period, and so many at once: a token bucket."""

    requests: int
    """1 to 1000000."""
    period_seconds: int = 0
    """Whole seconds, 1 to 86400; 0 for the default, 1."""
    burst: int = 0
    """Size of the bucket, 1 to 1000000; 0 for as many as `requests`."""

    @property
    def effective_period_seconds(self) -> int:
        """The period that holds."""
        return self.period_seconds or 1

    @property
    def effective_burst(self) -> int:
        """The size of the bucket that holds."""
        return self.burst or self.requests

    def check(self, field: str) -> None:
        """Checks the bounds.

        Raises:
            LimitInvalid: naming what within `field` is out of bounds.
        """
        _check(f"{field}.requests", self.requests, 1, MAX_REQUESTS)
        _check(f"{field}.period", self.period_seconds, 0, MAX_PERIOD_SECONDS)
        _check(f"{field}.burst", self.burst, 0, MAX_REQUESTS)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an endpoint takes at most."""

    total: RateLimit | None = None
    """Of all requests together."""
    per_consumer: RateLimit | None = None
    """Of each consumer by itself."""
    max_concurrent_requests: int = 0
    """Most requests in progress at once, up to 100000; 0 for no limit."""
    max_concurrent_requests_per_consumer: int = 0
    """Most requests of each consumer in progress at once, up to 100000; 0 for no limit."""

    def __bool__(self) -> bool:
        return self != NO_LIMITS

    @property
    def rates(self) -> tuple[RateLimit, ...]:
        """Those of its limits that are rates."""
        return tuple(rate for rate in (self.total, self.per_consumer) if rate is not None)

    @property
    def count_progress(self) -> bool:
        """Whether one of its limits is on requests in progress."""
        return bool(self.max_concurrent_requests or self.max_concurrent_requests_per_consumer)

    def check(self, field: str) -> None:
        """Checks the bounds.

        Raises:
            LimitInvalid: naming what within `field` is out of bounds.
        """
        if self.total is not None:
            self.total.check(f"{field}.total")
        if self.per_consumer is not None:
            self.per_consumer.check(f"{field}.per_consumer")
        for name in ("max_concurrent_requests", "max_concurrent_requests_per_consumer"):
            _check(f"{field}.{name}", getattr(self, name), 0, MAX_CONCURRENT)


NO_LIMITS = Limits()


def least_burst(gateways: int) -> int:
    """Returns the size that a bucket has at least where so many gateways share its limit; 0 where none does.

    Each lets through the whole requests of its part, of which there must be one: also while one more gateway than was
    counted stands in for another.
    """
    return gateways + 1 if gateways else 0


@dataclass(frozen=True, slots=True)
class ProjectLimits:
    """What the endpoints of a project take together."""

    project: str
    """Its id."""
    total: RateLimit | None = None
    """Of all requests to all its endpoints."""
    max_concurrent_requests: int = 0
    """Most requests to all its endpoints in progress at once, up to 100000; 0 for no limit."""
    revision: int = 0
    """Of the change feed; 0 where nothing was ever set. Source of the etag."""
    update_time: datetime | None = None
    """None where nothing was ever set."""

    def check(self, field: str) -> None:
        """Checks the bounds.

        Raises:
            LimitInvalid: naming what within `field` is out of bounds.
        """
        if self.total is not None:
            self.total.check(f"{field}.total")
        _check(f"{field}.max_concurrent_requests", self.max_concurrent_requests, 0, MAX_CONCURRENT)

    @property
    def name(self) -> str:
        """Resource name, `projects/{project}/limits`."""
        return f"projects/{self.project}/limits"

    @property
    def etag(self) -> str:
        """The etag (AIP-154): quoted, as HTTP writes it."""
        return f'"{self.revision}"'


def _check(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise LimitInvalid(field, f"is {value}; expected {least} to {most}")
