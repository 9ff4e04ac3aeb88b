"""Limits as JSON values of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kea_router.domain.limits import Limits, RateLimit


def rate_value(limit: RateLimit | None) -> dict[str, int] | None:
    """Returns the value of a rate."""
    return None if limit is None else asdict(limit)


def rate_of(value: Mapping[str, int] | None) -> RateLimit | None:
    """Returns the rate of a value."""
    return None if value is None else RateLimit(**value)


def limits_value(limits: Limits) -> dict[str, Any]:
    """Returns the value of an endpoint's limits; empty where there are none."""
    return asdict(limits) if limits else {}


def limits_of(value: Mapping[str, Any]) -> Limits:
    """Returns the endpoint's limits of a value."""
    if not value:
        return Limits()
    return Limits(
        rate_of(value["total"]),
        rate_of(value["per_consumer"]),
        value["max_concurrent_requests"],
        value.get("max_concurrent_requests_per_consumer", 0),  # rows from before there was one
    )
