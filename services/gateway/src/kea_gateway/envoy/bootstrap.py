"""Envoy's bootstrap: one listener that never changes, and where everything that changes comes from."""

from __future__ import annotations

import base64
from importlib import resources
from typing import Any

from kea_core.address import has_name, split_address
from kea_core.envoy_tls import TLS_SOCKET, TLS_TYPES, upstream_context

from kea_gateway.envoy.access_log import AUDIT_CLUSTER, access_log, audit_log, audit_thresholds, caller_filter
from kea_gateway.envoy.descriptors import inference_descriptor_set
from kea_gateway.envoy.local_replies import local_reply_config
from kea_gateway.envoy.settings import EnvoySettings

TYPES = "type.googleapis.com"
FILTERS = "envoy.extensions.filters.http"
HTTP = f"{TYPES}/{FILTERS}"
RBAC = f"{FILTERS}.rbac.v3.RBAC"
WITH_MATCHER = "envoy.extensions.common.matching.v3.ExtensionWithMatcher"
MANAGER = f"{TYPES}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER_FILTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{HTTP}.router.v3.Router"}}
ADS = {"ads": {}, "resource_api_version": "V3"}
XDS_CLUSTER = "xds"
ADMIN_CLUSTER = "admin"
GATEWAYS_CLUSTER = "gateways"
LOCAL_CLUSTER = "local_cluster_name"
"""Where Envoy is told which cluster it is a member of, and the router whether it is told."""
METRICS_PATH = "/stats/prometheus"
XDS_RETRY = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
"""How soon a router that was away is tried again. By default up to 30 s, in which no change would arrive."""
SCOPED_ROUTES = "endpoints"
JWT_FILTER = "envoy.filters.http.jwt_authn"
REVOCATION_FILTER = "kea.filters.http.revocations"
LIMITS_FILTER = "envoy.filters.http.local_ratelimit"
CONCURRENCY_FILTER = "kea.filters.http.concurrency"
PROJECT_CONCURRENCY_FILTER = "kea.filters.http.project_concurrency"
PROJECT_LIMITS_FILTER = "kea.filters.http.project_limits"
SCOPE_HEADER = "x-kea-model"
CALLER_HEADERS = tuple(f"x-kea-{name}" for name in ("subject", "groups", "scopes", "token", "session", "account"))
"""What the JWT filter makes of a token, and policies, limits and logs believe: no caller's own may survive."""
SERVICE = "inference.GRPCInferenceService"
MAX_HEADERS_KB = 60
REQUEST_HEADERS_SECONDS = 10
"""Longest time for a request's headers to arrive."""
STREAM_IDLE_SECONDS = 600
CONNECTION_IDLE_SECONDS = 3600


def bootstrap(settings: EnvoySettings) -> dict[str, Any]:
    """Returns the bootstrap, as JSON."""
    listeners, clusters = [_listener(settings)], [_grpc_cluster(XDS_CLUSTER, settings.xds_address, tls=settings.tls)]
    if settings.audit_address:
        audit = _grpc_cluster(AUDIT_CLUSTER, settings.audit_address, tls=settings.tls)
        clusters.append(audit | audit_thresholds())
    if settings.metrics_port:
        listeners.append(_metrics_listener(settings))
        clusters.append(_cluster(ADMIN_CLUSTER, f"unix:{settings.admin_socket}"))
    local: dict[str, str] = {}
    if settings.gateways_address:
        # Never called: its members are counted, and limits divided by them (ADR 0016).
        clusters.append(_cluster(GATEWAYS_CLUSTER, settings.gateways_address))
        local[LOCAL_CLUSTER] = GATEWAYS_CLUSTER
    return {
        # The router is told, too: an Envoy without a local cluster refuses limits that are to be shared.
        "node": {"id": settings.node_id, "cluster": "gateway", "metadata": local},
        "cluster_manager": local,
        "admin": {"address": {"pipe": {"path": str(settings.admin_socket), "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": XDS_CLUSTER, "retry_policy": XDS_RETRY}}],
                "set_node_on_first_message_only": True,
            },
            "cds_config": ADS,
        },
        "static_resources": {"listeners": listeners, "clusters": clusters},
        "overload_manager": {"resource_monitors": [_most_connections(settings.max_connections)]},
    }


def _most_connections(count: int) -> dict[str, Any]:
    monitor = "downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": f"{TYPES}/envoy.extensions.resource_monitors.{monitor}",
            "max_active_downstream_connections": count,
        },
    }


def _listener(settings: EnvoySettings) -> dict[str, Any]:
    manager = {
        "@type": MANAGER,
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        "scoped_routes": {
            "name": SCOPED_ROUTES,
            "scope_key_builder": {"fragments": [{"header_value_extractor": {"name": SCOPE_HEADER, "index": 0}}]},
            "rds_config_source": ADS,
            "scoped_rds": {"scoped_rds_config_source": ADS},
        },
        "early_header_mutation_extensions": [_without_callers_own()],
        "http_filters": _filters(settings),
        "access_log": _access_logs(settings),
        "local_reply_config": local_reply_config(),
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.trusted_proxies,
        "always_set_request_id_in_response": True,
        "server_header_transformation": "PASS_THROUGH",
        "strip_any_host_port": False,
        "max_request_headers_kb": MAX_HEADERS_KB,
        "request_headers_timeout": f"{REQUEST_HEADERS_SECONDS}s",
        "stream_idle_timeout": f"{STREAM_IDLE_SECONDS}s",
        "common_http_protocol_options": {
            "idle_timeout": f"{CONNECTION_IDLE_SECONDS}s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {"max_concurrent_streams": settings.max_streams},
    }
    return {
        "name": "gateway",
        "address": _address(f"{settings.host}:{settings.port}"),
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        "filter_chains": [_chain(manager)],
    }


def _metrics_listener(settings: EnvoySettings) -> dict[str, Any]:
    """Of all that the admin page has, only the metrics, and only to read: it could stop Envoy."""
    only = {"path": METRICS_PATH, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}
    route = {"match": only, "route": {"cluster": ADMIN_CLUSTER}}
    manager = {
        "@type": MANAGER,
        "stat_prefix": "metrics",
        "route_config": {"virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": [route]}]},
        "http_filters": [ROUTER_FILTER],
        "normalize_path": True,
        "request_headers_timeout": f"{REQUEST_HEADERS_SECONDS}s",
        "common_http_protocol_options": {"idle_timeout": f"{STREAM_IDLE_SECONDS}s"},
    }
    return {
        "name": "metrics",
        "address": _address(f"{settings.host}:{settings.metrics_port}"),
        "ignore_global_conn_limit": True,
        "filter_chains": [_chain(manager)],
    }


def _chain(manager: dict[str, Any]) -> dict[str, Any]:
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def _filters(settings: EnvoySettings) -> list[dict[str, Any]]:
    """The order matters: who calls, which model, may they, and only then what the request says."""
    lua = f"local MAX_BODY_BYTES = {settings.max_body_bytes}\n{_script('session.lua')}\n{_script('scope.lua')}"
    return [
        _discovered(JWT_FILTER, f"{FILTERS}.jwt_authn.v3.JwtAuthentication"),
        caller_filter(),
        _discovered(REVOCATION_FILTER, RBAC),
        {
            "name": "envoy.filters.http.grpc_field_extraction",
            "typed_config": {
                "@type": f"{HTTP}.grpc_field_extraction.v3.GrpcFieldExtractionConfig",
                "descriptor_set": {"inline_bytes": base64.b64encode(inference_descriptor_set()).decode()},
                "extractions_by_method": {
                    f"{SERVICE}.ModelInfer": _extract("model_name", "model_version"),
                    f"{SERVICE}.ModelMetadata": _extract("name", "version"),
                    f"{SERVICE}.ModelReady": _extract("name", "version"),
                },
            },
        },
        {
            "name": "envoy.filters.http.lua",
            "typed_config": {"@type": f"{HTTP}.lua.v3.Lua", "default_source_code": {"inline_string": lua}},
        },
        # Empty: each route carries its own, which the router checks before it publishes.
        {"name": "envoy.filters.http.rbac", "typed_config": {"@type": f"{HTTP}.rbac.v3.RBAC"}},
        *_limits(),
        {
            "name": "envoy.filters.http.grpc_json_transcoder",
            "typed_config": {
                "@type": f"{HTTP}.grpc_json_transcoder.v3.GrpcJsonTranscoder",
                "proto_descriptor": str(settings.descriptors),
                "services": list(settings.services),
                "convert_grpc_status": True,
                "print_options": {"always_print_primitive_fields": False},
                "request_validation_options": {
                    "reject_unknown_method": True,
                    "reject_unknown_query_parameters": True,
                },
            },
        },
        ROUTER_FILTER,
    ]


def _without_callers_own() -> dict[str, Any]:
    """Takes away headers that only the JWT filter may set. It does so itself, which is said nowhere to last."""
    kind = f"{TYPES}/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    mutations = [{"remove": name} for name in CALLER_HEADERS]
    return {"name": "callers_own", "typed_config": {"@type": kind, "mutations": mutations}}


def _script(name: str) -> str:
    return resources.files("kea_gateway.envoy").joinpath(name).read_text(encoding="utf-8")


def _discovered(name: str, *kinds: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """A filter that the router sends, of one of these kinds. The listener waits for it.

    Without keys and revocations nobody is let in. `default` is for what an older router does not send.
    """
    discovery: dict[str, Any] = {
        "config_source": ADS,
        "type_urls": [f"{TYPES}/{kind}" for kind in kinds],
        "apply_default_config_without_warming": False,
    }
    if default is not None:
        discovery["default_config"] = default
    return {"name": name, "config_discovery": discovery}


def _limits() -> list[dict[str, Any]]:
    """What requests that may be made are held to: the narrowest first, so that no refusal takes of what others share.

    Rates of endpoints are empty, and endpoints bring their own. All others come from the router, which sends what does
    nothing where nobody has such a limit.
    """
    composite = {"name": "composite", "typed_config": {"@type": f"{HTTP}.composite.v3.Composite"}}
    at_once = {"@type": f"{TYPES}/{WITH_MATCHER}", "extension_config": composite, "xds_matcher": {}}
    rates = {"@type": f"{HTTP}.local_ratelimit.v3.LocalRateLimit"}
    of_projects = {**rates, "stat_prefix": "project_limits"}
    return [
        _discovered(CONCURRENCY_FILTER, WITH_MATCHER, RBAC, default=at_once),
        _discovered(PROJECT_CONCURRENCY_FILTER, WITH_MATCHER, RBAC, default=at_once),
        {"name": LIMITS_FILTER, "typed_config": {**rates, "stat_prefix": "endpoint_limits"}},
        _discovered(PROJECT_LIMITS_FILTER, f"{FILTERS}.local_ratelimit.v3.LocalRateLimit", default=of_projects),
    ]


def _access_logs(settings: EnvoySettings) -> list[dict[str, Any]]:
    written = access_log(settings.access_log)
    return [written, audit_log(settings.node_id)] if settings.audit_address else [written]


def _extract(*fields: str) -> dict[str, Any]:
    return {"request_field_extractions": {field: {} for field in fields}}


def _grpc_cluster(name: str, address: str, *, tls: bool) -> dict[str, Any]:
    options = f"{TYPES}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    cluster = _cluster(name, address)
    if tls and not address.startswith("unix:"):
        context = {"@type": f"{TLS_TYPES}.UpstreamTlsContext", **upstream_context(address)}
        cluster["transport_socket"] = {"name": TLS_SOCKET, "typed_config": context}
    return cluster | {
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
                },
            }
        },
    }


def _cluster(name: str, address: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STRICT_DNS" if has_name(address) else "STATIC",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(address)}}]}],
        },
    }


def _address(address: str) -> dict[str, Any]:
    if address.startswith("unix:"):
        return {"pipe": {"path": address.removeprefix("unix:")}}
    host, port = split_address(address)
    return {"socket_address": {"address": host, "port_value": port}}
