"""Names that the translation and Envoy's fixed configuration (the gateway's bootstrap) agree on."""

from __future__ import annotations

MANAGEMENT_SCOPE = "@management"
"""Scope key of all that is not an endpoint. `@` cannot begin a project."""
JWT_FILTER = "envoy.filters.http.jwt_authn"
"""Name of the JWT filter, which comes by extension discovery."""
SCOPE_HEADER = "x-kea-model"
"""Header that Lua sets to the scope key of the endpoint a request is for."""
METHOD_HEADER = "x-kea-method"
"""Header that Lua sets to the method a request names."""
VERSION_HEADER = "x-kea-model-version"
"""Header that Lua sets to the version a request names."""
SUBJECT_HEADER, GROUPS_HEADER, SCOPES_HEADER = "x-kea-subject", "x-kea-groups", "x-kea-scopes"
"""Headers that the JWT filter sets to a token's claims, for policies and limits."""
TOKEN_ID_HEADERS = {"jti": "x-kea-token", "sid": "x-kea-session", "uid": "x-kea-account"}
"""Headers that the JWT filter sets to a token's claims, of which none may be revoked."""
CLAIM_HEADERS = {"sub": SUBJECT_HEADER, "groups": GROUPS_HEADER, "scopes": SCOPES_HEADER, **TOKEN_ID_HEADERS}
"""All of them by their claims. The gateway removes callers' own first, and routes take them away again."""
SESSION_COOKIE, HOST_SESSION_COOKIE = "kea_session", "__Host-kea_session"
"""Cookies with the token of a browser's session. Over https there is only the second, which no other host can set."""
REVOCATION_FILTER = "kea.filters.http.revocations"
"""Name of the filter that refuses revoked tokens, which comes by extension discovery."""
REVOKED = "revoked"
"""Name of that filter's policy, by which its refusals are told from others."""
LIMITS_FILTER = "envoy.filters.http.local_ratelimit"
"""Name of the filter that keeps what an endpoint takes in a time; endpoints bring its configuration."""
CONCURRENCY_FILTER = "kea.filters.http.concurrency"
"""Name of the filter that keeps what an endpoint takes at once; endpoints bring its configuration."""
PROJECT_CONCURRENCY_FILTER = "kea.filters.http.project_concurrency"
"""Name of the filter that keeps what projects take at once, which comes by extension discovery."""
PROJECT_LIMITS_FILTER = "kea.filters.http.project_limits"
"""Name of the filter that keeps what projects take in a time, which comes by extension discovery."""
INFERENCE_SERVICE = "inference.GRPCInferenceService"


def scope_key(project: str, endpoint: str) -> str:
    """Returns the value of the header that selects an endpoint's scope."""
    return f"{project}/{endpoint}"
