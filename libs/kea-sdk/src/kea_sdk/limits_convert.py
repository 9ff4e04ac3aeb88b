"""Limits between the API's messages and the client's own values."""

from __future__ import annotations

from google.protobuf import duration_pb2
from kea.router.v1 import limits_pb2

from kea_sdk.limits import Limits, RateLimit


def rate(message: limits_pb2.RateLimit) -> RateLimit:
    """Returns a rate."""
    return RateLimit(requests=message.requests, period_seconds=message.period.seconds or 1, burst=message.burst)


def limits(message: limits_pb2.Limits) -> Limits:
    """Returns an endpoint's limits."""
    return Limits(
        total=rate(message.total) if message.HasField("total") else None,
        per_consumer=rate(message.per_consumer) if message.HasField("per_consumer") else None,
        max_concurrent_requests=message.max_concurrent_requests,
        max_concurrent_requests_per_consumer=message.max_concurrent_requests_per_consumer,
    )


def rate_message(wanted: RateLimit | None) -> limits_pb2.RateLimit | None:
    """Returns a rate as a message; None for none."""
    if wanted is None:
        return None
    period = duration_pb2.Duration(seconds=wanted.period_seconds)
    return limits_pb2.RateLimit(requests=wanted.requests, period=period, burst=wanted.burst)


def limits_message(wanted: Limits) -> limits_pb2.Limits:
    """Returns an endpoint's limits as a message."""
    return limits_pb2.Limits(
        total=rate_message(wanted.total),
        per_consumer=rate_message(wanted.per_consumer),
        max_concurrent_requests=wanted.max_concurrent_requests,
        max_concurrent_requests_per_consumer=wanted.max_concurrent_requests_per_consumer,
    )
