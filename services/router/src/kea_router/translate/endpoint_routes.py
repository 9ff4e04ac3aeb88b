"""An endpoint's own route configuration and scope."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2, scoped_route_pb2
from envoy.extensions.filters.http.grpc_json_transcoder.v3 import transcoder_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import any_pb2, duration_pb2, wrappers_pb2
from kea_core.resource_name import parse_name

from kea_router.domain.deployment import Deployment
from kea_router.domain.endpoint import Endpoint, Retry
from kea_router.domain.invokers import EndpointInvokers
from kea_router.translate.clusters import grpc_cluster, http_cluster
from kea_router.translate.limits import limit_endpoint
from kea_router.translate.names import CLAIM_HEADERS, INFERENCE_SERVICE, VERSION_HEADER, scope_key
from kea_router.translate.packing import packed
from kea_router.translate.policy import header, invokers_policy, route_configuration
from kea_router.translate.shares import shares
from kea_router.xds.resource import CLUSTER, ROUTES, Key, Resource, make_resource

TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
RETRY_ON = {
    # Only what cannot have reached a model: a method may have effects.
    Retry.UNSENT: "connect-failure,refused-stream,reset-before-request",
    Retry.UNANSWERED: "connect-failure,refused-stream,reset",
}
"""What is sent to another replica, as Envoy says it."""
RETRIES = 3
IDLE_SECONDS = 300
"""Longest silence on a request, unless its time-out is longer: a model that computes for an hour says nothing."""
NO_TOKENS = ("authorization", "cookie", "proxy-authorization", *CLAIM_HEADERS.values())
"""Headers that a model never sees: it is its author's code, and the token would be good elsewhere."""
NO_VERSION = "this version is not a target of the endpoint"


def no_transcoder() -> any_pb2.Any:
    """Switches the transcoder off on a route: it would answer 404 to every path it does not know."""
    return packed(transcoder_pb2.GrpcJsonTranscoder(proto_descriptor_bin=b""))


def endpoint_resources(
    endpoint: Endpoint, deployments: Mapping[str, Deployment], invokers: EndpointInvokers, *, gateways: int = 0
) -> list[Resource]:
    """Returns the route configuration and the scope of an endpoint, whose limits so many gateways share (0: none does).

    A request that names a version goes to the targets that serve it, even where their weight is 0; one that names a
    version no target serves is answered 404. All others are split by weight.
    """
    project, name = parse_name(endpoint.name, "projects", "endpoints")
    routes = [*_routes(endpoint, deployments, grpc=True), *_routes(endpoint, deployments, grpc=False)]
    configuration = route_configuration(endpoint.name, routes, invokers_policy(invokers))
    alone = None
    if gateways and endpoint.limits.rates:
        alone = route_pb2.RouteConfiguration()
        alone.CopyFrom(configuration)
        limit_endpoint(alone, project, endpoint.limits)
    limit_endpoint(configuration, project, endpoint.limits, gateways=gateways)
    clusters = [
        Key(CLUSTER, of(target.deployment)) for target in endpoint.targets for of in (http_cluster, grpc_cluster)
    ]
    fragment = scoped_route_pb2.ScopedRouteConfiguration.Key.Fragment(string_key=scope_key(project, name))
    scope = scoped_route_pb2.ScopedRouteConfiguration(
        name=endpoint.name,
        route_configuration_name=endpoint.name,
        key=scoped_route_pb2.ScopedRouteConfiguration.Key(fragments=[fragment]),
    )
    return [
        make_resource(endpoint.name, configuration, frozenset(clusters), alone=alone),
        make_resource(endpoint.name, scope, frozenset({Key(ROUTES, endpoint.name)})),
    ]


def _routes(
    endpoint: Endpoint, deployments: Mapping[str, Deployment], *, grpc: bool
) -> Iterator[route_components_pb2.Route]:
    """Yields the routes of one protocol: by version, then what names a version that is not there, then all others."""
    protocol = "grpc" if grpc else "http"
    by_version: dict[int, dict[str, int]] = {}
    for target in endpoint.targets:
        deployment = deployments.get(target.deployment)
        if deployment is not None:
            by_version.setdefault(deployment.version, {})[target.deployment] = target.weight
    for version, weights in sorted(by_version.items()):
        match = _match(grpc=grpc, version=str(version))
        # Those that are to get nothing get equal parts of what names their version.
        chosen = weights if any(weights.values()) else dict.fromkeys(weights, 1)
        yield _route(f"{protocol} version {version}", match, route=_split(endpoint, chosen, grpc=grpc))
    yield _no_version(f"{protocol} other version", grpc=grpc)
    weights = {target.deployment: target.weight for target in endpoint.targets}
    yield _route(protocol, _match(grpc=grpc), route=_split(endpoint, weights, grpc=grpc))


def _match(*, grpc: bool, version: str | None = None) -> route_components_pb2.RouteMatch:
    """Matches a protocol and, where given, the version a request names; `""` stands for any."""
    match = route_components_pb2.RouteMatch(prefix=f"/{INFERENCE_SERVICE}/" if grpc else "/")
    if version is not None:
        matcher = route_components_pb2.HeaderMatcher(name=VERSION_HEADER)
        if version:
            matcher.string_match.CopyFrom(string_pb2.StringMatcher(exact=version))
        else:
            matcher.present_match = True
        match.headers.append(matcher)
    return match


def _split(endpoint: Endpoint, weights: Mapping[str, int], *, grpc: bool) -> route_components_pb2.RouteAction:
    """Returns the way to deployments, in proportion to `weights`."""
    of = grpc_cluster if grpc else http_cluster
    chosen = [(name, part) for name, part in sorted(shares(weights).items()) if part]
    action = _action(endpoint)
    if len(chosen) == 1:
        action.cluster = of(chosen[0][0])
    else:
        clusters = [
            route_components_pb2.WeightedCluster.ClusterWeight(
                name=of(name), weight=wrappers_pb2.UInt32Value(value=part)
            )
            for name, part in chosen
        ]
        action.weighted_clusters.CopyFrom(route_components_pb2.WeightedCluster(clusters=clusters))
    return action


def _no_version(name: str, *, grpc: bool) -> route_components_pb2.Route:
    match = _match(grpc=grpc, version="")
    answer = route_components_pb2.DirectResponseAction(status=404)
    if not grpc:
        answer.body.CopyFrom(base_pb2.DataSource(inline_string=NO_VERSION))
    route = _route(name, match, direct_response=answer)
    if grpc:
        # A direct response bypasses gRPC's status mapping; this is NOT_FOUND.
        route.response_headers_to_add.extend([header("grpc-status", "5"), header("grpc-message", NO_VERSION)])
    return route


def _action(endpoint: Endpoint) -> route_components_pb2.RouteAction:
    predicate = route_components_pb2.RetryPolicy.RetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts",
        typed_config=packed(previous_hosts_pb2.PreviousHostsPredicate()),
    )
    retry = route_components_pb2.RetryPolicy(
        retry_on=RETRY_ON[endpoint.retry],
        num_retries=wrappers_pb2.UInt32Value(value=RETRIES),
        retry_host_predicate=[predicate],
        host_selection_retry_max_attempts=RETRIES,
    )
    seconds = endpoint.effective_timeout_seconds
    return route_components_pb2.RouteAction(
        timeout=_duration(seconds), idle_timeout=_duration(max(IDLE_SECONDS, seconds)), retry_policy=retry
    )


def _duration(seconds: float) -> duration_pb2.Duration:
    made = duration_pb2.Duration()
    made.FromNanoseconds(round(seconds * 1e9))
    return made


def _route(
    name: str,
    match: route_components_pb2.RouteMatch,
    *,
    route: route_components_pb2.RouteAction | None = None,
    direct_response: route_components_pb2.DirectResponseAction | None = None,
) -> route_components_pb2.Route:
    return route_components_pb2.Route(
        name=name,
        match=match,
        route=route,
        direct_response=direct_response,
        typed_per_filter_config={TRANSCODER: no_transcoder()},
        request_headers_to_remove=NO_TOKENS,
    )
