"""The JWT filter, as an extension that changes with auth's keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from kea_core.tokens import AUDIENCE, ISSUER, LEEWAY_SECONDS

from kea_router.translate.names import CLAIM_HEADERS, HOST_SESSION_COOKIE, INFERENCE_SERVICE, JWT_FILTER, SESSION_COOKIE
from kea_router.translate.packing import packed
from kea_router.xds.resource import Resource, make_resource

PROVIDER = "kea"
AUTHORIZATION = "authorization"
CACHED_TOKENS = 10_000
PROJECT = r"(/projects/[^/]+)?"
CALLS = ("/models/", "/v2/models/", f"/{INFERENCE_SERVICE}/Model", "/projects/", "/v1/models/")
"""What models are called by: looked at before the patterns below, each of which costs more than all of these."""
CALLED = f"({'|'.join(map(re.escape, CALLS))}).*"
"""The same as one pattern, for those few of them that have no bearer token."""
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
    # The only place: where none is named, Envoy takes one from the address too, which ends up in others' logs.
    bearer = config_pb2.JwtProvider(
        from_headers=[config_pb2.JwtHeader(name=AUTHORIZATION, value_prefix="Bearer ")],
        forward=True,  # services check it again; routes to models take it away
    )
    providers = {PROVIDER: bearer}
    # A provider for each: of one with two tokens Envoy wants both to be good, and adds up what they claim.
    providers |= {
        cookie: config_pb2.JwtProvider(from_cookies=[cookie]) for cookie in (HOST_SESSION_COOKIE, SESSION_COOKIE)
    }
    for provider in providers.values():
        provider.MergeFrom(_checked_by(jwks))
    authn = config_pb2.JwtAuthentication(providers=providers, rules=_rules(private_docs=private_docs))
    return make_resource(JWT_FILTER, extension_pb2.TypedExtensionConfig(name=JWT_FILTER, typed_config=packed(authn)))


def _checked_by(jwks: str) -> config_pb2.JwtProvider:
    return config_pb2.JwtProvider(
        issuer=ISSUER,
        audiences=[AUDIENCE],
        local_jwks=base_pb2.DataSource(inline_string=jwks),
        # Headers, not metadata: that would be a copy of all claims, which costs Envoy ten times as much.
        claim_to_headers=[
            config_pb2.JwtClaimToHeader(claim_name=claim, header_name=name) for claim, name in CLAIM_HEADERS.items()
        ],
        clock_skew_seconds=LEEWAY_SECONDS,
        jwt_cache_config=config_pb2.JwtCacheConfig(jwt_cache_size=CACHED_TOKENS),
    )


def _rules(*, private_docs: bool) -> list[config_pb2.RequirementRule]:
    """Most requests first, then other calls, then exceptions, then everything: closed by default."""
    calls = [_rule(_posted(route_components_pb2.RouteMatch(prefix=prefix), _has(AUTHORIZATION))) for prefix in CALLS]
    others = _by_any_token(_posted(_matching(CALLED)))
    opened = OPEN if private_docs else (*OPEN, *DOCS)
    rules = [config_pb2.RequirementRule(match=_matching(path)) for path in opened]
    page = _matching(PAGES)
    html = string_pb2.StringMatcher(contains="text/html")
    page.headers.append(route_components_pb2.HeaderMatcher(name="accept", string_match=html))
    page.headers.append(_method("GET"))
    pages = [] if private_docs else [config_pb2.RequirementRule(match=page)]
    return [*calls, *others, *rules, *pages, *_by_any_token(route_components_pb2.RouteMatch(prefix="/"))]


def _by_any_token(match: route_components_pb2.RouteMatch) -> Iterator[config_pb2.RequirementRule]:
    """Yields the rules for what a session's cookie opens as well: one that is sent with a bearer token says nothing."""
    for cookie in (HOST_SESSION_COOKIE, SESSION_COOKIE):
        in_session = route_components_pb2.RouteMatch()
        in_session.CopyFrom(match)
        held = string_pb2.StringMatcher(contains=f"{cookie}=")
        in_session.headers.append(route_components_pb2.HeaderMatcher(name="cookie", string_match=held))
        in_session.headers.append(_has(AUTHORIZATION, but=True))
        if cookie == SESSION_COOKIE:
            secure = string_pb2.StringMatcher(exact="https")
            in_session.headers.append(
                route_components_pb2.HeaderMatcher(name="x-forwarded-proto", string_match=secure, invert_match=True)
            )
        yield _rule(in_session, cookie)
    yield _rule(match)


def _rule(match: route_components_pb2.RouteMatch, provider: str = PROVIDER) -> config_pb2.RequirementRule:
    return config_pb2.RequirementRule(match=match, requires=config_pb2.JwtRequirement(provider_name=provider))


def _posted(
    match: route_components_pb2.RouteMatch, *headers: route_components_pb2.HeaderMatcher
) -> route_components_pb2.RouteMatch:
    match.headers.extend([_method("POST"), *headers])
    return match


def _has(name: str, *, but: bool = False) -> route_components_pb2.HeaderMatcher:
    """Matches requests with a header, or all but these."""
    return route_components_pb2.HeaderMatcher(name=name, present_match=True, invert_match=but)


def _method(verb: str) -> route_components_pb2.HeaderMatcher:
    return route_components_pb2.HeaderMatcher(name=":method", string_match=string_pb2.StringMatcher(exact=verb))


def _matching(path: str) -> route_components_pb2.RouteMatch:
    return route_components_pb2.RouteMatch(safe_regex=regex_pb2.RegexMatcher(regex=path))
