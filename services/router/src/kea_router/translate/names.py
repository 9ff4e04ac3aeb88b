"""Names that the translation and Envoy's fixed configuration (the gateway's bootstrap) agree on."""

from __future__ import annotations

MANAGEMENT_SCOPE = "@management"
"""Scope key of all that is not an endpoint. `@` cannot begin a project."""
JWT_FILTER = "envoy.filters.http.jwt_authn"
"""Name of the JWT filter, which comes by extension discovery and under which it leaves its metadata."""
CLAIMS = "claims"
"""Key in that metadata under which the token's claims are."""
VERSION_HEADER = "x-kea-model-version"
"""Header that Lua sets to the version a request names."""
INFERENCE_SERVICE = "inference.GRPCInferenceService"


def scope_key(project: str, endpoint: str) -> str:
    """Returns the value of the header that selects an endpoint's scope."""
    return f"{project}/{endpoint}"
