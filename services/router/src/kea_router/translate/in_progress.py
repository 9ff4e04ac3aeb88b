"""Limits on requests in progress as filters of Envoy.

All of an endpoint are counted by `adaptive_concurrency`, whose limit is kept where it is: least and most are the same.
Those of each consumer, and of a project, are counted by a module of our own (`wasm/in_progress.c`, ADR 0018). All let
go of a request however it ends. They can only be had for some requests, and not for others, within `composite` filters.
An empty one takes 5 % of what a request costs in Envoy, so where nobody has such a limit none is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.wasm.v3 import wasm_pb2
from envoy.extensions.wasm.v3 import wasm_pb2 as vm_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import any_pb2, wrappers_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from kea_router.domain.limits import Limits, ProjectLimits
from kea_router.translate.names import CONCURRENCY_FILTER, PROJECT_CONCURRENCY_FILTER, SCOPE_HEADER, scope_key
from kea_router.translate.packing import packed, typed
from kea_router.xds.resource import Resource, make_resource

ADAPTIVE_CONCURRENCY = "type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency"
UPDATE_SECONDS = 60
"""How often a limit that is fixed is computed: Envoy wants to, and it costs a timer."""
VM = "in_progress"
"""What the module is called in Envoy's log, and its machine, of which each worker has one for all limits."""
HOST_CALLS = (
    *("proxy_get_header_map_value", "proxy_get_buffer_bytes", "proxy_send_local_response"),
    *("proxy_get_shared_data", "proxy_set_shared_data"),
    *("proxy_on_configure", "proxy_on_context_create", "proxy_on_request_headers", "proxy_on_delete"),
    "proxy_on_memory_allocate",
)
"""What the module may call and be called for: it needs no more."""
MODULE = resources.files("kea_router.translate").joinpath("in_progress.wasm").read_bytes()


def in_progress(endpoint: str, limits: Limits) -> any_pb2.Any | None:
    """Returns what an endpoint says to the filter that keeps what is in progress; None where it has no such limit.

    Args:
        endpoint: the name under which its consumers are counted, over all changes of its configuration.
        limits: its limits.
    """
    filters: list[extension_pb2.TypedExtensionConfig] = []
    if limits.max_concurrent_requests_per_consumer:  # first, so that who asks too much takes no place of the others'
        counted = _counted(limits.max_concurrent_requests_per_consumer, f"consumer {endpoint}")
        filters.append(_filter(f"{CONCURRENCY_FILTER}.consumer", counted))
    if limits.max_concurrent_requests:
        filters.append(_filter(f"{CONCURRENCY_FILTER}.all", _all(limits.max_concurrent_requests)))
    if not filters:
        return None
    always = matcher_pb2.Matcher(on_no_match=_with(*filters))
    return packed(extension_matcher_pb2.ExtensionWithMatcherPerRoute(xds_matcher=always))


@lru_cache(maxsize=2)
def concurrency_filter(*, in_use: bool) -> Resource:
    """Returns the filter to which endpoints say what they keep, or, where none does, one that does nothing."""
    made = _composite(matcher_pb2.Matcher()) if in_use else _nothing()
    return make_resource(CONCURRENCY_FILTER, _filter(CONCURRENCY_FILTER, made))


def project_concurrency_filter(projects: Sequence[ProjectLimits]) -> Resource:
    """Returns the filter that keeps what is in progress of projects, or, where none has a limit, does nothing."""
    matcher = matcher_pb2.Matcher()
    for limits in projects:
        if limits.max_concurrent_requests:
            counted = _counted(limits.max_concurrent_requests, f"project {limits.project}")
            matcher.matcher_tree.prefix_match_map.map[scope_key(limits.project, "")].CopyFrom(
                _with(_filter(f"{PROJECT_CONCURRENCY_FILTER}.all", counted))
            )
    if matcher.HasField("matcher_tree"):
        scope = http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=SCOPE_HEADER)
        matcher.matcher_tree.input.CopyFrom(
            xds_extension_pb2.TypedExtensionConfig(name=SCOPE_HEADER, typed_config=packed(scope))
        )
    made = _composite(matcher) if matcher.HasField("matcher_tree") else _nothing()
    return make_resource(PROJECT_CONCURRENCY_FILTER, _filter(PROJECT_CONCURRENCY_FILTER, made))


def _composite(matcher: matcher_pb2.Matcher) -> any_pb2.Any:
    """Returns a filter that is whatever others the matcher says for a request."""
    composite = _filter("composite", packed(composite_pb2.Composite()))
    return packed(extension_matcher_pb2.ExtensionWithMatcher(extension_config=composite, xds_matcher=matcher))


def _nothing() -> any_pb2.Any:
    """Returns the cheapest filter there is: without rules it asks for nothing."""
    return packed(rbac_pb2.RBAC())


def _with(*filters: extension_pb2.TypedExtensionConfig) -> matcher_pb2.Matcher.OnMatch:
    """Returns that requests pass filters, one after the other."""
    chain = composite_pb2.FilterChainConfiguration(typed_config=filters)
    action = packed(composite_pb2.ExecuteFilterAction(filter_chain=chain))
    return matcher_pb2.Matcher.OnMatch(
        action=xds_extension_pb2.TypedExtensionConfig(name=CONCURRENCY_FILTER, typed_config=action)
    )


def _filter(name: str, config: any_pb2.Any) -> extension_pb2.TypedExtensionConfig:
    return extension_pb2.TypedExtensionConfig(name=name, typed_config=config)


def _all(most: int) -> any_pb2.Any:
    return typed(
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


def _counted(most: int, whose: str) -> any_pb2.Any:
    """Returns the module, told `consumer ENDPOINT` or `project PROJECT`."""
    allowed = {name: vm_pb2.SanitizationConfig() for name in HOST_CALLS}
    plugin = vm_pb2.PluginConfig(
        name=VM,
        root_id=whose,
        vm_config=vm_pb2.VmConfig(
            vm_id=VM,
            runtime="envoy.wasm.runtime.v8",
            code=base_pb2.AsyncDataSource(local=base_pb2.DataSource(inline_bytes=MODULE)),
        ),
        configuration=packed(wrappers_pb2.StringValue(value=f"{most} {whose}")),
        # A machine that has failed is made anew; until then its endpoints answer 503, as what comes is not counted.
        failure_policy=vm_pb2.FAIL_RELOAD,
        capability_restriction_config=vm_pb2.CapabilityRestrictionConfig(allowed_capabilities=allowed),
    )
    return packed(wasm_pb2.Wasm(config=plugin))
