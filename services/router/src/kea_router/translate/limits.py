"""Limits on rates as filters of Envoy, and where endpoints say them and those on what is in progress.

Rates are token buckets (`local_ratelimit`). Whatever says one of its own at a virtual host gives all its routes one
bucket, over protocols and versions; what is said at a route would give each its own. Buckets are of one Envoy, all its
workers share them, and they begin full with every change of the route configuration.

Several gateways share a limit (ADR 0016): of a bucket as large as the whole limit's each Envoy takes, for a request, as
many tokens as its local cluster has members. Of a bucket that holds fewer it would never let anything through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envoy.config.core.v3 import extension_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf import any_pb2

from kea_router.domain.limits import Limits, ProjectLimits, RateLimit, least_burst
from kea_router.translate.in_progress import in_progress
from kea_router.translate.names import CONCURRENCY_FILTER, LIMITS_FILTER, PROJECT_LIMITS_FILTER, SUBJECT_HEADER
from kea_router.translate.packing import typed
from kea_router.xds.resource import Resource, make_resource

HTTP = "type.googleapis.com/envoy.extensions.filters.http"
LOCAL_RATE_LIMIT = f"{HTTP}.local_ratelimit.v3.LocalRateLimit"
METADATA = "kea"
"""Where routes say what they belong to."""
PROJECT = "project"
CONSUMER = "consumer"
MAX_CONSUMERS = 10_000
"""Buckets of consumers that an endpoint has at most: the one unused for longest makes room, and would begin full."""
ENDPOINT_STATS, PROJECT_STATS = "endpoint_limits", "project_limits"
"""What Envoy's metrics of the filters are called by."""
ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def limit_endpoint(
    configuration: route_pb2.RouteConfiguration, project: str, limits: Limits, *, gateways: int = 0
) -> None:
    """Has an endpoint's route configuration keep its limits, and say which project's it comes under.

    Args:
        configuration: the endpoint's.
        project: its project's id.
        limits: its limits.
        gateways: how many share them; 0 where each has the whole of them to itself.
    """
    at_once = in_progress(configuration.name, limits)
    for host in configuration.virtual_hosts:
        if limits.rates:
            host.typed_per_filter_config[LIMITS_FILTER].CopyFrom(_rates(limits, gateways))
        if at_once is not None:
            host.typed_per_filter_config[CONCURRENCY_FILTER].CopyFrom(at_once)
        for route in host.routes:
            route.metadata.filter_metadata[METADATA][PROJECT] = project


def project_limits_filter(projects: Sequence[ProjectLimits], *, gateways: int = 0) -> Resource:
    """Returns the filter that keeps the limits of all projects. A change of any begins the buckets of all anew."""
    made = _project_limits(projects, gateways)
    alone = _project_limits(projects, 0) if gateways else None
    return make_resource(PROJECT_LIMITS_FILTER, made, alone=alone)


def _project_limits(projects: Sequence[ProjectLimits], gateways: int) -> extension_pb2.TypedExtensionConfig:
    descriptors = [
        {"entries": [{"key": PROJECT, "value": limits.project}], "token_bucket": _bucket(limits.total, gateways)}
        for limits in projects
        if limits.total is not None
    ]
    of_route = {"metadata_key": {"key": METADATA, "path": [{"key": PROJECT}]}, "source": "ROUTE_ENTRY"}
    action = {"metadata": {"descriptor_key": PROJECT, **of_route, "skip_if_absent": True}}
    # Without descriptors it is one that is not switched on, so that it costs nothing.
    config = typed(LOCAL_RATE_LIMIT, stat_prefix=PROJECT_STATS)
    if descriptors:
        limiting = {"descriptors": descriptors, "rate_limits": [{"actions": [action]}]}
        config = _local_rate_limit(PROJECT_STATS, gateways, **limiting)
    return extension_pb2.TypedExtensionConfig(name=PROJECT_LIMITS_FILTER, typed_config=config)


def _rates(limits: Limits, gateways: int) -> any_pb2.Any:
    """A request takes its consumer's token first, then one of all: who asks too much takes nothing of the others'."""
    # Headers tell of the bucket that has said no; where all say yes, of the consumer's.
    shown = {"enable_x_ratelimit_headers": "DRAFT_VERSION_03"}
    if limits.per_consumer is None:
        return _local_rate_limit(ENDPOINT_STATS, gateways, token_bucket=_bucket(limits.total, gateways), **shown)
    action = {"request_headers": {"descriptor_key": CONSUMER, "header_name": SUBJECT_HEADER}}
    return _local_rate_limit(
        ENDPOINT_STATS,
        gateways,
        # There must be one. Without a total only a request without a subject would take of it; none gets here.
        token_bucket=_bucket(limits.total or limits.per_consumer, gateways),
        always_consume_default_token_bucket=limits.total is not None,
        descriptors=[{"entries": [{"key": CONSUMER}], "token_bucket": _bucket(limits.per_consumer, gateways)}],
        rate_limits=[{"actions": [action]}],
        max_dynamic_descriptors=MAX_CONSUMERS,
        **shown,
    )


def _bucket(limit: RateLimit | None, gateways: int) -> dict[str, Any] | None:
    if limit is None:
        return None
    return {
        "max_tokens": max(limit.effective_burst, least_burst(gateways)),
        "tokens_per_fill": limit.requests,
        "fill_interval": f"{limit.effective_period_seconds}s",
    }


def _local_rate_limit(stat_prefix: str, gateways: int, **more: Any) -> any_pb2.Any:
    shared = {"local_cluster_rate_limit": {}} if gateways else {}
    return typed(
        LOCAL_RATE_LIMIT,
        stat_prefix=stat_prefix,
        filter_enabled=ALWAYS,
        filter_enforced=ALWAYS,
        enable_retry_after_header=True,
        rate_limited_as_resource_exhausted=True,
        **shared,
        **more,
    )
