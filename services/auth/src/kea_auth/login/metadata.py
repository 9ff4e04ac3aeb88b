"""What auth says of itself (RFC 8414; the document of OpenID Connect Discovery has the same form)."""

from __future__ import annotations

from typing import Any

from kea_auth.login.oauth import GRANT_TYPES


def server_metadata(base: str) -> dict[str, Any]:
    """Returns the metadata of the authorization server that is reached at `base`."""
    return {
        "issuer": base,
        "token_endpoint": f"{base}/oauth/token",
        "device_authorization_endpoint": f"{base}/oauth/device_authorization",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "jwks_uri": f"{base}/oauth/jwks",
        "grant_types_supported": list(GRANT_TYPES),
        # There is no authorization endpoint: people log in by the device grant, or in a browser for a browser.
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "service_documentation": f"{base}/api/docs",
    }
