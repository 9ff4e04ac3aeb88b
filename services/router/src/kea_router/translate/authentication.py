"""The JWT filter, as an extension that changes with auth's keys."""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from kea_core.tokens import AUDIENCE, ISSUER, LEEWAY_SECONDS

from kea_router.translate.names import CLAIM_HEADERS, INFERENCE_SERVICE, JWT_FILTER
from kea_router.translate.packing import packed
from kea_router.xds.resource import Resource, make_resource

PROVIDER = "kea"
CACHED_TOKENS = 10_000
PROJECT = r"(/projects/[^/]+)?"
CALLS = ("/models/", "/v2/models/", f"/{INFERENCE_SERVICE}/Model", "/projects/", "/v1/models/")
"""What models are called by: looked at before the patterns below, each of which costs more than all of these."""
OPEN = (
    r"/(healthz|readyz|favicon\.ico)",
    r"/v2/health/(live|ready)",
    rf"/{INFERENCE_SERVICE.replace('.', '[.]')}/Server(Live|Ready)",
    r"/(login|oauth)(/.*)?",
    r"/logout",
    r"/\.well-known/(openid-configuration|oauth-authorization-server)",
    rf"{PROJECT}/docs/assets/.*",
)
"""Paths that need no token: health, and logging in. Everything else does."""
DOCS = (
    r"/api/(docs|openapi\.json)",
    rf"{PROJECT}/docs(/.*)?",
    rf"{PROJECT}/models/[^/]+/(docs|openapi\.json)",
)
"""These need none either, unless settings say so."""
PAGES = rf"{PROJECT}/models"
"""A list for programs, which need a token, and for browsers a way to the page of all models, which does not."""


def jwt_filter(jwks: str, *, private_docs: bool = False) -> Resource:
    """Returns the filter for a key set (JSON); with `private_docs` the docs need a token, too."""
    provider = config_pb2.JwtProvider(
        issuer=ISSUER,
        audiences=[AUDIENCE],
        local_jwks=base_pb2.DataSource(inline_string=jwks),
        forward=True,  # services check it again; routes to models take it away
        # Headers, not metadata: that would be a copy of all claims, which costs Envoy ten times as much.
        claim_to_headers=[
            config_pb2.JwtClaimToHeader(claim_name=claim, header_name=name) for claim, name in CLAIM_HEADERS.items()
        ],
        # The only place: where none is named, Envoy takes one from the address too, which ends up in others' logs.
        from_headers=[config_pb2.JwtHeader(name="Authorization", value_prefix="Bearer ")],
        clock_skew_seconds=LEEWAY_SECONDS,
        jwt_cache_config=config_pb2.JwtCacheConfig(jwt_cache_size=CACHED_TOKENS),
    )
    authn = config_pb2.JwtAuthentication(providers={PROVIDER: provider}, rules=_rules(private_docs=private_docs))
    return make_resource(JWT_FILTER, extension_pb2.TypedExtensionConfig(name=JWT_FILTER, typed_config=packed(authn)))


def _rules(*, private_docs: bool) -> list[config_pb2.RequirementRule]:
    """Most requests first, then exceptions, then everything: closed by default."""
    required = config_pb2.JwtRequirement(provider_name=PROVIDER)
    calls = [config_pb2.RequirementRule(match=_posted(prefix), requires=required) for prefix in CALLS]
    opened = OPEN if private_docs else (*OPEN, *DOCS)
    rules = [config_pb2.RequirementRule(match=_matching(path)) for path in opened]
    page = _matching(PAGES)
    html = string_pb2.StringMatcher(contains="text/html")
    page.headers.append(route_components_pb2.HeaderMatcher(name="accept", string_match=html))
    page.headers.append(_method("GET"))
    pages = [] if private_docs else [config_pb2.RequirementRule(match=page)]
    everything = config_pb2.RequirementRule(match=route_components_pb2.RouteMatch(prefix="/"), requires=required)
    return [*calls, *rules, *pages, everything]


def _posted(prefix: str) -> route_components_pb2.RouteMatch:
    return route_components_pb2.RouteMatch(prefix=prefix, headers=[_method("POST")])


def _method(verb: str) -> route_components_pb2.HeaderMatcher:
    return route_components_pb2.HeaderMatcher(name=":method", string_match=string_pb2.StringMatcher(exact=verb))


def _matching(path: str) -> route_components_pb2.RouteMatch:
    return route_components_pb2.RouteMatch(safe_regex=regex_pb2.RegexMatcher(regex=path))
