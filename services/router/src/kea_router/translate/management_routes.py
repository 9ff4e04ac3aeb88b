"""The routes of all that is not an endpoint: management API, portal, health."""

from __future__ import annotations

from dataclasses import dataclass, field

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2, scoped_route_pb2
from google.protobuf import duration_pb2
from kea_core.audit_trail import CLIENT_ADDRESS

from kea_router.translate.clusters import fixed_cluster
from kea_router.translate.endpoint_routes import TRANSCODER, no_transcoder
from kea_router.translate.names import CLAIM_HEADERS, INFERENCE_SERVICE, MANAGEMENT_SCOPE
from kea_router.translate.policy import anyone_policy, header, route_configuration
from kea_router.xds.resource import CLUSTER, ROUTES, Key, Resource, make_resource

NAME = "management"
LOGIN = "login"
LOGIN_PATHS = (
    *("/login", "/logout", "/device", "/oauth"),
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
)
"""Where auth answers HTTP; of these `/device` alone needs a token."""
PAGE_TIMEOUT_SECONDS = 30
STREAM_IDLE_SECONDS = 600
"""A watch of which nothing is heard for so long is ended; its client resumes it."""
SERVER_METADATA = '{"name":"kea","version":"2","extensions":["binary_tensor_data"]}'


@dataclass(frozen=True, slots=True)
class Backends:
    """Where everything else answers, as `unix:PATH` or `HOST:PORT`."""

    auth: str
    registry: str
    deployer: str
    router: str
    portal_http: str
    """By a socket of Envoy's machine where there is TLS: the portal's HTTP speaks none."""
    portal_grpc: str
    auth_http: str = field(default="", kw_only=True)
    """Where people log in. Empty: nowhere."""
    tls: bool = field(default=False, kw_only=True)
    """Whether those at `HOST:PORT` speak mutual TLS."""


GRPC_PREFIXES = (
    ("/kea.auth.v1.", "auth"),
    ("/kea.registry.v1.", "registry"),
    ("/kea.deployer.v1.", "deployer"),
    ("/kea.router.v1.", "router"),
    ("/google.longrunning.Operations/", "deployer"),
    ("/grpc.reflection.", "portal-grpc"),
    (f"/{INFERENCE_SERVICE}/", "portal-grpc"),
)
"""Where gRPC calls go, those that the transcoder makes of REST calls among them."""


def management_resources(backends: Backends) -> list[Resource]:
    """Returns the clusters, the route configuration and the scope. They change only with the platform's own layout."""
    clusters = [
        fixed_cluster("auth", backends.auth, http2=True, tls=backends.tls),
        fixed_cluster("registry", backends.registry, http2=True, tls=backends.tls),
        fixed_cluster("deployer", backends.deployer, http2=True, tls=backends.tls),
        fixed_cluster("router", backends.router, http2=True, tls=backends.tls),
        fixed_cluster("portal-grpc", backends.portal_grpc, http2=True, tls=backends.tls),
        fixed_cluster("portal", backends.portal_http, http2=False),
    ]
    if backends.auth_http:
        clusters.append(fixed_cluster(LOGIN, backends.auth_http, http2=False, tls=backends.tls))
    routes = [_grpc(prefix, cluster) for prefix, cluster in GRPC_PREFIXES]
    if backends.auth_http:
        routes += [_login(path) for path in LOGIN_PATHS]
    routes += [_documents("/api/docs"), _documents("/api/openapi.json"), _rest(), *_oip_server(), _rest_of_it()]
    configuration = route_configuration(NAME, routes, anyone_policy())
    # Services see Envoy's address only; whatever a caller writes there is replaced.
    configuration.request_headers_to_add.append(header(CLIENT_ADDRESS, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"))
    references = frozenset(Key(CLUSTER, resource.key.name) for resource in clusters)
    fragment = scoped_route_pb2.ScopedRouteConfiguration.Key.Fragment(string_key=MANAGEMENT_SCOPE)
    scope = scoped_route_pb2.ScopedRouteConfiguration(
        name=NAME,
        route_configuration_name=NAME,
        key=scoped_route_pb2.ScopedRouteConfiguration.Key(fragments=[fragment]),
    )
    return [
        *clusters,
        make_resource(NAME, configuration, references),
        make_resource(NAME, scope, frozenset({Key(ROUTES, NAME)})),
    ]


def _grpc(prefix: str, cluster: str) -> route_components_pb2.Route:
    """Services bound their calls themselves, and watches last: no time-out but for silence."""
    action = route_components_pb2.RouteAction(
        cluster=cluster,
        timeout=duration_pb2.Duration(),
        idle_timeout=duration_pb2.Duration(seconds=STREAM_IDLE_SECONDS),
    )
    return _route(prefix, route_components_pb2.RouteMatch(prefix=prefix), route=action, transcoded=True)


def _rest() -> route_components_pb2.Route:
    """A REST call of the management API, before the transcoder turns it into a gRPC call, which is routed anew."""
    match = route_components_pb2.RouteMatch(path_separated_prefix="/api/v1")
    answer = route_components_pb2.DirectResponseAction(status=404)
    return _route("rest", match, direct_response=answer, transcoded=True)


def _documents(path: str) -> route_components_pb2.Route:
    return _route(path, route_components_pb2.RouteMatch(path=path), route=_to_portal())


def _login(path: str) -> route_components_pb2.Route:
    to_auth = route_components_pb2.RouteAction(
        cluster=LOGIN, timeout=duration_pb2.Duration(seconds=PAGE_TIMEOUT_SECONDS)
    )
    return _route(path, route_components_pb2.RouteMatch(path_separated_prefix=path), route=to_auth)


def _rest_of_it() -> route_components_pb2.Route:
    """Lua gives this scope to the portal's paths only; the portal answers 404 to what it does not know."""
    return _route("portal", route_components_pb2.RouteMatch(prefix="/"), route=_to_portal())


def _to_portal() -> route_components_pb2.RouteAction:
    return route_components_pb2.RouteAction(
        cluster="portal", timeout=duration_pb2.Duration(seconds=PAGE_TIMEOUT_SECONDS)
    )


def _oip_server() -> list[route_components_pb2.Route]:
    """The Open Inference Protocol's questions about the server as a whole, which this very answer answers."""
    found: list[route_components_pb2.Route] = []
    for path, body in (
        ("/v2", SERVER_METADATA),
        ("/v2/health/live", '{"live":true}'),
        ("/v2/health/ready", '{"ready":true}'),
    ):
        answer = route_components_pb2.DirectResponseAction(status=200, body=base_pb2.DataSource(inline_string=body))
        route = _route(path, route_components_pb2.RouteMatch(path=path), direct_response=answer)
        route.response_headers_to_add.append(header("content-type", "application/json"))
        found.append(route)
    return found


def _route(
    name: str,
    match: route_components_pb2.RouteMatch,
    *,
    route: route_components_pb2.RouteAction | None = None,
    direct_response: route_components_pb2.DirectResponseAction | None = None,
    transcoded: bool = False,
) -> route_components_pb2.Route:
    filters = {} if transcoded else {TRANSCODER: no_transcoder()}
    return route_components_pb2.Route(
        name=name,
        match=match,
        route=route,
        direct_response=direct_response,
        typed_per_filter_config=filters,
        request_headers_to_remove=CLAIM_HEADERS.values(),
    )
