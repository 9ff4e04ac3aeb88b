"""An endpoint's limits, for those who read its documentation."""

from __future__ import annotations

from kea.router.v1 import limits_pb2

_PERIODS = {0: "second", 1: "second", 60: "minute", 3600: "hour", 86_400: "day"}


def limits_text(limits: limits_pb2.Limits) -> tuple[str, ...]:
    """Returns what an endpoint takes at most: a phrase for each limit it has."""
    found: list[str] = []
    if limits.HasField("total"):
        found.append(f"{_rate(limits.total)} of all callers together")
    if limits.HasField("per_consumer"):
        found.append(f"{_rate(limits.per_consumer)} of each caller")
    if limits.max_concurrent_requests:
        found.append(f"{limits.max_concurrent_requests} in progress at once")
    if limits.max_concurrent_requests_per_consumer:
        found.append(f"{limits.max_concurrent_requests_per_consumer} of each caller in progress at once")
    return tuple(found)


def _rate(limit: limits_pb2.RateLimit) -> str:
    seconds = limit.period.seconds
    period = _PERIODS.get(seconds, f"{seconds} s")
    burst = f" ({limit.burst} at once)" if limit.burst and limit.burst != limit.requests else ""
    return f"{limit.requests} per {period}{burst}"
