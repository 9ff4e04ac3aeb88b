"""Limits between the domain and the protos."""

from __future__ import annotations

from google.protobuf import duration_pb2
from kea.router.v1 import limits_pb2

from kea_router.domain.errors import LimitInvalid
from kea_router.domain.limits import Limits, ProjectLimits, RateLimit


def rate_to_proto(limit: RateLimit) -> limits_pb2.RateLimit:
    """Returns a rate as callers see it."""
    period = duration_pb2.Duration(seconds=limit.period_seconds) if limit.period_seconds else None
    return limits_pb2.RateLimit(requests=limit.requests, period=period, burst=limit.burst)


def rate_from_proto(message: limits_pb2.RateLimit, field: str) -> RateLimit:
    """Returns a rate that a caller wants.

    Raises:
        LimitInvalid: the period is given, and is not one of whole seconds above 0.
    """
    if message.HasField("period") and (message.period.nanos or message.period.seconds < 1):
        where, seconds = f"{field}.period", message.period.seconds + message.period.nanos / 1e9
        raise LimitInvalid(where, f"is {seconds:g} s; expected whole seconds, 1 s to 86400 s")
    return RateLimit(message.requests, message.period.seconds, message.burst)


def limits_to_proto(limits: Limits) -> limits_pb2.Limits | None:
    """Returns an endpoint's limits as callers see them; None where there are none."""
    if not limits:
        return None
    return limits_pb2.Limits(
        total=rate_to_proto(limits.total) if limits.total else None,
        per_consumer=rate_to_proto(limits.per_consumer) if limits.per_consumer else None,
        max_concurrent_requests=limits.max_concurrent_requests,
        max_concurrent_requests_per_consumer=limits.max_concurrent_requests_per_consumer,
    )


def limits_from_proto(message: limits_pb2.Limits, field: str) -> Limits:
    """Returns limits that a caller wants of an endpoint.

    Raises:
        LimitInvalid: a period is given, and is not one of whole seconds above 0.
    """
    return Limits(
        total=rate_from_proto(message.total, f"{field}.total") if message.HasField("total") else None,
        per_consumer=(
            rate_from_proto(message.per_consumer, f"{field}.per_consumer") if message.HasField("per_consumer") else None
        ),
        max_concurrent_requests=message.max_concurrent_requests,
        max_concurrent_requests_per_consumer=message.max_concurrent_requests_per_consumer,
    )


def project_limits_to_proto(limits: ProjectLimits) -> limits_pb2.ProjectLimits:
    """Returns a project's limits as callers see them."""
    message = limits_pb2.ProjectLimits(
        name=limits.name,
        total=rate_to_proto(limits.total) if limits.total else None,
        max_concurrent_requests=limits.max_concurrent_requests,
        etag=limits.etag,
    )
    if limits.update_time is not None:
        message.update_time.FromDatetime(limits.update_time)
    return message
