from __future__ import annotations

import re

import pytest
from envoy.config.core.v3 import extension_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from kea_router.translate.authentication import jwt_filter

JWKS = '{"keys":[]}'
DOCS = (
    "/docs",
    "/api/docs",
    "/api/openapi.json",
    "/models/iris/docs",
    "/projects/p/models/iris/openapi.json",
    "/models",
)


def asked_of(
    path: str,
    verb: str = "GET",
    *,
    private_docs: bool = False,
    cookie: str = "",
    bearer: bool = False,
    secure: bool = False,
) -> str:
    """Returns the provider of the token that a browser needs, or "": the first rule that matches decides."""
    config = extension_pb2.TypedExtensionConfig()
    config.ParseFromString(jwt_filter(JWKS, private_docs=private_docs).body.value)
    authn = config_pb2.JwtAuthentication()
    config.typed_config.Unpack(authn)
    headers = {":method": verb, "accept": "text/html", "x-forwarded-proto": "https" if secure else "http"}
    if cookie:
        headers["cookie"] = cookie
    if bearer:
        headers["authorization"] = "Bearer x"
    for rule in authn.rules:
        prefix, regex = rule.match.prefix, rule.match.safe_regex.regex
        found = path.startswith(prefix) if prefix else re.fullmatch(regex, path)
        if found and all(matches(header, headers.get(header.name)) for header in rule.match.headers):
            return rule.requires.provider_name
    problem = "everything is matched by something"
    raise AssertionError(problem)


def matches(header: route_components_pb2.HeaderMatcher, value: str | None) -> bool:
    """Returns whether Envoy would say that a header matches."""
    text = header.string_match
    if value is None:
        found = False
    elif header.HasField("present_match"):
        found = True
    else:
        found = text.contains in value if text.contains else text.exact == value
    return found is not header.invert_match


CALL, PAGE = ("/models/iris/predict", "POST"), ("/api/v1/models", "GET")


@pytest.mark.parametrize("asked", [CALL, PAGE])
def test_a_sessions_cookie_is_looked_at_where_there_is_no_bearer_token(asked: tuple[str, str]) -> None:
    for cookie in ("kea_session=t", "a=b; __Host-kea_session=t"):
        name = cookie.rpartition(" ")[2].partition("=")[0]
        assert asked_of(*asked, cookie=cookie) == name
        assert asked_of(*asked, cookie=cookie, bearer=True) == "kea"
    assert asked_of(*asked, cookie="kea_session_expires=1; kea_refresh=x") == "kea"


@pytest.mark.parametrize("asked", [CALL, PAGE])
def test_over_https_only_the_cookie_that_no_other_host_can_set_is_looked_at(asked: tuple[str, str]) -> None:
    assert asked_of(*asked, cookie="kea_session=t", secure=True) == "kea"
    assert asked_of(*asked, cookie="kea_session=t; __Host-kea_session=u", secure=True) == "__Host-kea_session"


def test_what_needs_no_token_looks_at_no_cookie() -> None:
    for path in ("/login", "/logout", "/healthz", "/docs", "/models"):
        assert asked_of(path, cookie="kea_session=expired") == ""


def test_each_token_is_checked_alike_and_taken_from_one_place() -> None:
    config = extension_pb2.TypedExtensionConfig()
    config.ParseFromString(jwt_filter(JWKS).body.value)
    authn = config_pb2.JwtAuthentication()
    config.typed_config.Unpack(authn)
    for provider in authn.providers.values():
        assert len(provider.from_headers) + len(provider.from_cookies) == 1
        for field in ("from_headers", "from_cookies", "forward"):
            provider.ClearField(field)
    first, *others = authn.providers.values()
    assert all(other == first for other in others)
    assert first.local_jwks.inline_string == JWKS


@pytest.mark.parametrize("path", DOCS)
def test_docs_need_a_token_where_settings_say_so(path: str) -> None:
    assert not asked_of(path, private_docs=False)
    assert asked_of(path, private_docs=True)


@pytest.mark.parametrize("private_docs", [False, True])
def test_logging_in_needs_none_and_answering_for_a_device_does(*, private_docs: bool) -> None:
    ways = ("/login", "/login/corp/callback", "/login/renew", "/logout", "/oauth/token", "/healthz")
    for verb in ("GET", "POST"):
        assert not any(asked_of(path, verb, private_docs=private_docs) for path in ways)
    closed = ("/device", "/", "/api/v1/models", "/loginx", "/models/iris/predict", "/oauthx", "/.well-known/x")
    assert all(asked_of(path, private_docs=private_docs) for path in closed)
    calls = ("/models/iris/docs", "/v2/models/iris/infer", "/projects/p/docs", "/v1/models/iris:predict", "/anything")
    assert all(asked_of(path, "POST", private_docs=private_docs) for path in calls)
