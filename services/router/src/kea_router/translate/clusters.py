"""Clusters and their endpoints: one per deployment and protocol."""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2, outlier_detection_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, config_source_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.v3 import percent_pb2
from google.protobuf import duration_pb2, json_format, wrappers_pb2
from kea_core.address import has_name
from kea_core.envoy_tls import TLS_SOCKET, upstream_context

from kea_router.domain.deployment import Deployment
from kea_router.translate.packing import packed
from kea_router.xds.resource import ENDPOINTS, Key, Resource, make_resource

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECT_TIMEOUT_SECONDS = 1
IDLE_TIMEOUT_SECONDS = 60
MAX_CONNECTIONS = 1024
MAX_PENDING = 1024
MAX_REQUESTS = 4096
RETRY_BUDGET_PERCENT = 20
MIN_RETRIES = 10
"""Retries at once that are always allowed: a small endpoint must survive the death of its busiest replica."""
EJECTION_SECONDS = 1
"""A replica that refuses connections is left out so long, then tried again."""


def http_cluster(deployment: str) -> str:
    """Returns the name of a deployment's HTTP cluster."""
    return f"{deployment}/http"


def grpc_cluster(deployment: str) -> str:
    """Returns the name of a deployment's gRPC cluster."""
    return f"{deployment}/grpc"


def deployment_clusters(deployment: str) -> list[Resource]:
    """Returns a deployment's two clusters. They say nothing of its replicas, so they never change."""
    return [_cluster(http_cluster(deployment), http2=False), _cluster(grpc_cluster(deployment), http2=True)]


def deployment_endpoints(name: str, deployment: Deployment | None) -> list[Resource]:
    """Returns where a deployment's replicas answer; nowhere for one that is not known (yet).

    A replica without an address for a protocol does not speak it.
    """
    replicas = deployment.replicas if deployment is not None else ()
    return [
        _assignment(http_cluster(name), [replica.http_address for replica in replicas if replica.http_address]),
        _assignment(grpc_cluster(name), [replica.grpc_address for replica in replicas if replica.grpc_address]),
    ]


def fixed_cluster(name: str, address: str, *, http2: bool, tls: bool = False) -> Resource:
    """Returns a cluster of one address. A name in it is looked up by Envoy, again and again.

    `tls` is mutual, with the certificate that Envoy has of its own; sockets of a machine do without.
    """
    named = has_name(address)
    made = _base(
        name,
        http2=http2,
        load_assignment=_load_assignment(name, [address]),
        type=cluster_pb2.Cluster.STRICT_DNS if named else cluster_pb2.Cluster.STATIC,
    )
    if named:
        made.dns_lookup_family = cluster_pb2.Cluster.V4_PREFERRED
    if tls and not address.startswith("unix:"):
        made.transport_socket.CopyFrom(_tls_socket(address))
    return make_resource(name, made)


def address_of(text: str) -> address_pb2.Address:
    """Returns the address written as `unix:PATH` or `HOST:PORT`.

    Raises:
        ValueError: it is written in no such way.
    """
    if text.startswith("unix:"):
        return address_pb2.Address(pipe=address_pb2.Pipe(path=text.removeprefix("unix:")))
    host, _, port = text.rpartition(":")
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=host.strip("[]"), port_value=int(port)))


def _cluster(name: str, *, http2: bool) -> Resource:
    ads = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.ApiVersion.V3
    )
    eds = cluster_pb2.Cluster.EdsClusterConfig(eds_config=ads)
    made = _base(name, http2=http2, eds_cluster_config=eds, type=cluster_pb2.Cluster.EDS)
    made.outlier_detection.CopyFrom(_outlier_detection())
    return make_resource(name, made, frozenset({Key(ENDPOINTS, name)}))


def _base(name: str, *, http2: bool, **fields: object) -> cluster_pb2.Cluster:
    common = protocol_pb2.HttpProtocolOptions(idle_timeout=duration_pb2.Duration(seconds=IDLE_TIMEOUT_SECONDS))
    explicit = http_protocol_options_pb2.HttpProtocolOptions.ExplicitHttpConfig()
    if http2:
        explicit.http2_protocol_options.SetInParent()
    else:
        explicit.http_protocol_options.SetInParent()
    options = http_protocol_options_pb2.HttpProtocolOptions(
        common_http_protocol_options=common, explicit_http_config=explicit
    )
    return cluster_pb2.Cluster(
        name=name,
        connect_timeout=duration_pb2.Duration(seconds=CONNECT_TIMEOUT_SECONDS),
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        circuit_breakers=_bounds(),
        typed_extension_protocol_options={HTTP_OPTIONS: packed(options)},
        **fields,  # pyright: ignore[reportArgumentType] - either kind of membership
    )


def _tls_socket(address: str) -> base_pb2.TransportSocket:
    context = json_format.ParseDict(upstream_context(address), tls_pb2.UpstreamTlsContext())
    return base_pb2.TransportSocket(name=TLS_SOCKET, typed_config=packed(context))


def _bounds() -> circuit_breaker_pb2.CircuitBreakers:
    budget = circuit_breaker_pb2.CircuitBreakers.Thresholds.RetryBudget(
        budget_percent=percent_pb2.Percent(value=RETRY_BUDGET_PERCENT),
        min_retry_concurrency=wrappers_pb2.UInt32Value(value=MIN_RETRIES),
    )
    thresholds = circuit_breaker_pb2.CircuitBreakers.Thresholds(
        max_connections=wrappers_pb2.UInt32Value(value=MAX_CONNECTIONS),
        max_pending_requests=wrappers_pb2.UInt32Value(value=MAX_PENDING),
        max_requests=wrappers_pb2.UInt32Value(value=MAX_REQUESTS),
        retry_budget=budget,
    )
    return circuit_breaker_pb2.CircuitBreakers(thresholds=[thresholds])


def _outlier_detection() -> outlier_detection_pb2.OutlierDetection:
    """Ejects by what happens to connections only: a model that answers 500 is wrong, not absent."""
    none = wrappers_pb2.UInt32Value(value=0)
    return outlier_detection_pb2.OutlierDetection(
        split_external_local_origin_errors=True,
        consecutive_local_origin_failure=wrappers_pb2.UInt32Value(value=2),
        enforcing_consecutive_5xx=none,
        enforcing_consecutive_gateway_failure=none,
        enforcing_success_rate=none,
        enforcing_local_origin_success_rate=none,
        interval=duration_pb2.Duration(seconds=EJECTION_SECONDS),
        base_ejection_time=duration_pb2.Duration(seconds=EJECTION_SECONDS),
        max_ejection_percent=wrappers_pb2.UInt32Value(value=90),
    )


def _assignment(name: str, addresses: Iterable[str]) -> Resource:
    return make_resource(name, _load_assignment(name, addresses))


def _load_assignment(name: str, addresses: Iterable[str]) -> endpoint_pb2.ClusterLoadAssignment:
    members = [
        endpoint_components_pb2.LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=address_of(address)))
        for address in sorted(addresses)
    ]
    localities = [endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=members)] if members else []
    return endpoint_pb2.ClusterLoadAssignment(cluster_name=name, endpoints=localities)
