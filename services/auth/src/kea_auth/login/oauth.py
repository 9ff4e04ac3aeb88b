"""Errors and names of OAuth 2.0 (RFC 6749, 8628, 8693)."""

from __future__ import annotations

from http import HTTPStatus

CLIENT_CREDENTIALS = "client_credentials"
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a grant's name
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a grant's name
GRANT_TYPES = (CLIENT_CREDENTIALS, REFRESH_TOKEN, DEVICE_CODE, TOKEN_EXCHANGE)
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
ID_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a type's name
UNAVAILABLE = "temporarily_unavailable"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name


class OAuthError(Exception):
    """An error as OAuth writes it.

    Args:
        error: its word.
        description: one sentence for a person.
        status: of the answer.
        retry_seconds: after how long to try again; 0: that is not told.
    """

    def __init__(
        self, error: str, description: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, retry_seconds: int = 0
    ) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.retry_seconds = retry_seconds


def invalid_request(description: str) -> OAuthError:
    """Returns the error of a request that lacks something."""
    return OAuthError("invalid_request", description)


def invalid_grant(description: str) -> OAuthError:
    """Returns the error of a grant that is good for nothing."""
    return OAuthError("invalid_grant", description)


def invalid_client(description: str) -> OAuthError:
    """Returns the error of a client that is not known."""
    return OAuthError("invalid_client", description, HTTPStatus.UNAUTHORIZED)


def unsupported_grant_type() -> OAuthError:
    """Returns the error of a grant that is not offered."""
    return OAuthError("unsupported_grant_type", "grant_type is none of those offered")


def invalid_scope(description: str) -> OAuthError:
    """Returns the error of scopes that are not to be had."""
    return OAuthError("invalid_scope", description)


def unavailable(description: str) -> OAuthError:
    """Returns the error of what may succeed later."""
    return OAuthError(UNAVAILABLE, description, HTTPStatus.SERVICE_UNAVAILABLE, 1)


def poll_error(error: str, description: str) -> OAuthError:
    """Returns what a device that asks is told (RFC 8628, section 3.5)."""
    return OAuthError(error, description)


def required(form: dict[str, str], name: str) -> str:
    """Returns a parameter of a request.

    Raises:
        OAuthError: it is not there.
    """
    value = form.get(name, "")
    if not value:
        problem = f"{name} is missing"
        raise invalid_request(problem)
    return value
