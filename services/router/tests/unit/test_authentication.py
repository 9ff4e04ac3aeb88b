from __future__ import annotations

import re

import pytest
from envoy.config.core.v3 import extension_pb2
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


def asked_of(path: str, verb: str = "GET", *, private_docs: bool) -> bool:
    """Returns whether a request, by a browser, needs a token: the first rule that matches decides."""
    config = extension_pb2.TypedExtensionConfig()
    config.ParseFromString(jwt_filter(JWKS, private_docs=private_docs).body.value)
    authn = config_pb2.JwtAuthentication()
    config.typed_config.Unpack(authn)
    for rule in authn.rules:
        prefix, regex = rule.match.prefix, rule.match.safe_regex.regex
        verbs = {header.string_match.exact for header in rule.match.headers if header.name == ":method"}
        found = path.startswith(prefix) if prefix else re.fullmatch(regex, path)
        if found and verb in (verbs or {verb}):
            return rule.requires.provider_name != ""
    problem = "everything is matched by something"
    raise AssertionError(problem)


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
