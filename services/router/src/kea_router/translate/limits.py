"""Limits as filters of Envoy.

Rates are token buckets (`local_ratelimit`). Whatever says one of its own at a virtual host gives all its routes one
bucket, over protocols and versions; what is said at a route would give each its own. Buckets are of one Envoy, all its
workers share them, and they begin full with every change of the route configuration.

Several gateways share a limit (ADR 0016): of a bucket as large as the whole limit's each Envoy takes, for a request, as
many tokens as its local cluster has members. Of a bucket that holds fewer it would never let anything through.

Requests at once are counted by `adaptive_concurrency`, whose limit is kept where it is: least and most are the same.
It lets go of a request however it ends. It can only be had per endpoint within a `composite` filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envoy.config.core.v3 import extension_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from google.protobuf import any_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2
from xds.type.v3 import typed_struct_pb2

from kea_router.domain.limits import Limits, ProjectLimits, RateLimit, least_burst
from kea_router.translate.names import CLAIMS, CONCURRENCY_FILTER, JWT_FILTER, LIMITS_FILTER, PROJECT_LIMITS_FILTER
from kea_router.translate.policy import packed
from kea_router.xds.resource import Resource, make_resource

HTTP = "type.googleapis.com/envoy.extensions.filters.http"
LOCAL_RATE_LIMIT = f"{HTTP}.local_ratelimit.v3.LocalRateLimit"
ADAPTIVE_CONCURRENCY = f"{HTTP}.adaptive_concurrency.v3.AdaptiveConcurrency"
METADATA = "kea"
"""Where routes say what they belong to."""
PROJECT = "project"
CONSUMER = "consumer"
MAX_CONSUMERS = 10_000
"""Buckets of consumers that an endpoint has at most: the one unused for longest makes room, and would begin full."""
ENDPOINT_STATS, PROJECT_STATS = "endpoint_limits", "project_limits"
"""What Envoy's metrics of the filters are called by."""
ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
UPDATE_SECONDS = 60
"""How often a limit that is fixed is computed: Envoy wants to, and it costs a timer."""


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
    for host in configuration.virtual_hosts:
        if limits.rates:
            host.typed_per_filter_config[LIMITS_FILTER].CopyFrom(_rates(limits, gateways))
        if limits.max_concurrent_requests:
            host.typed_per_filter_config[CONCURRENCY_FILTER].CopyFrom(_concurrency(limits.max_concurrent_requests))
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
    config = _typed(LOCAL_RATE_LIMIT, stat_prefix=PROJECT_STATS)
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
    claim = {"key": JWT_FILTER, "path": [{"key": CLAIMS}, {"key": "sub"}]}
    action = {"metadata": {"descriptor_key": CONSUMER, "metadata_key": claim, "source": "DYNAMIC"}}
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
    return _typed(
        LOCAL_RATE_LIMIT,
        stat_prefix=stat_prefix,
        filter_enabled=ALWAYS,
        filter_enforced=ALWAYS,
        enable_retry_after_header=True,
        rate_limited_as_resource_exhausted=True,
        **shared,
        **more,
    )


def _concurrency(most: int) -> any_pb2.Any:
    limiter = _typed(
        ADAPTIVE_CONCURRENCY,
        concurrency_limit_exceeded_status={"code": "TooManyRequests"},
        gradient_controller_config={
            "sample_aggregate_percentile": {"value": 50},
            "concurrency_limit_params": {
                "max_concurrency_limit": most,
                "min_concurrency_limit": most,
                "concurrency_update_interval": f"{UPDATE_SECONDS}s",
            },
            "min_rtt_calc_params": {"fixed_value": "1s", "min_concurrency": most},
        },
    )
    chosen = extension_pb2.TypedExtensionConfig(name=CONCURRENCY_FILTER, typed_config=limiter)
    action = packed(composite_pb2.ExecuteFilterAction(typed_config=chosen))
    always = matcher_pb2.Matcher.OnMatch(
        action=xds_extension_pb2.TypedExtensionConfig(name=CONCURRENCY_FILTER, typed_config=action)
    )
    matcher = matcher_pb2.Matcher(on_no_match=always)
    return packed(extension_matcher_pb2.ExtensionWithMatcherPerRoute(xds_matcher=matcher))


def _typed(type_url: str, **value: Any) -> any_pb2.Any:
    """Returns what Envoy takes for the message of that type: xds-protos does not know all its fields yet."""
    made = typed_struct_pb2.TypedStruct(type_url=type_url)
    made.value.update(value)
    return packed(made)
