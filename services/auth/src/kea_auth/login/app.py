"""Auth's HTTP application: what Envoy sends here is under /login, /logout, /device, /oauth and /.well-known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from kea_core.errors import KeaError, Unavailable
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from kea_auth.login.attempts import Attempts
from kea_auth.login.browser_login import BrowserLogin
from kea_auth.login.device import INTERVAL_SECONDS, LIFE, shown
from kea_auth.login.device_pages import DevicePages
from kea_auth.login.devices import Devices
from kea_auth.login.errors import LoginRefused, TryLater
from kea_auth.login.login_call import APPROVE_DEVICE, CREATE_DEVICE, CREATE_SESSION, CREATE_TOKEN, DELETE_SESSION
from kea_auth.login.login_trail import Handler, LoginTrail
from kea_auth.login.metadata import server_metadata
from kea_auth.login.oauth import OAuthError, invalid_request, required
from kea_auth.login.sessions import Sessions
from kea_auth.login.token_endpoint import TokenEndpoint, public_client
from kea_auth.login.web import address_of, base_url, json_answer, oauth_failure, page, problem_answer, read_form

Jwks = Callable[[], Awaitable[str]]
API = ("/oauth/", "/.well-known/")
"""Paths for programs, which get errors as JSON."""
RENEW = "/login/renew"
"""For scripts of our pages."""


class OAuthEndpoints:
    """The endpoints for programs."""

    def __init__(
        self,
        token: TokenEndpoint,
        devices: Devices,
        sessions: Sessions,
        jwks: Jwks,
        attempts: Attempts,
        *,
        public_url: str,
    ) -> None:
        self._token = token
        self._devices = devices
        self._sessions = sessions
        self._jwks = jwks
        self._attempts = attempts
        self._public_url = public_url

    async def token(self, request: Request) -> Response:
        """RFC 6749, section 3.2."""
        form = await read_form(request)
        return json_answer(await self._token.answer(form, request.headers.get("authorization", "")))

    async def device_authorization(self, request: Request) -> Response:
        """RFC 8628, section 3.1."""
        client = public_client(await read_form(request))
        wait = self._attempts.take(address_of(request))
        if wait:
            problem = "too many devices ask from this address"
            raise TryLater(problem, wait, limited=True)
        grant, code = await self._devices.begin(client)
        page_url = f"{base_url(request, self._public_url)}/device"
        return json_answer(
            {
                "device_code": code,
                "user_code": shown(grant.user_code),
                "verification_uri": page_url,
                "verification_uri_complete": f"{page_url}?user_code={shown(grant.user_code)}",
                "expires_in": int(LIFE.total_seconds()),
                "interval": INTERVAL_SECONDS,
            }
        )

    async def revoke(self, request: Request) -> Response:
        """RFC 7009, of refresh tokens: it ends their session. Access tokens end with `TokenService.RevokeOwnToken`."""
        form = await read_form(request)
        public_client(form)
        session = await self._sessions.of_token(required(form, "token"))
        if session is not None:
            await self._sessions.end(session.id)
        return json_answer({})

    async def jwks(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's shape
        """RFC 7517."""
        return Response(await self._jwks(), media_type="application/json", headers={"cache-control": "max-age=300"})

    async def metadata(self, request: Request) -> Response:
        """RFC 8414."""
        return json_answer(server_metadata(base_url(request, self._public_url)))


def build_app(login: BrowserLogin, devices: DevicePages, oauth: OAuthEndpoints, trail: LoginTrail) -> Starlette:
    """Returns the application."""

    def audited(verb: str, path: str, handler: Handler, action: str) -> Route:
        return Route(path, trail.around(handler, f"{verb} {path}", action), methods=[verb])

    routes: list[BaseRoute] = [
        audited("GET", "/login", login.choose, CREATE_TOKEN),
        audited("POST", "/login/local", login.with_password, CREATE_SESSION),
        audited("POST", RENEW, login.renew, CREATE_TOKEN),
        audited("POST", "/login/end", login.end, DELETE_SESSION),
        Route("/login/{provider}", login.begin, methods=["GET"]),
        audited("GET", "/login/{provider}/callback", login.callback, CREATE_SESSION),
        Route("/logout", login.logout_page, methods=["GET", "POST"]),
        Route("/device", devices.show, methods=["GET"]),
        audited("POST", "/device", devices.answer, APPROVE_DEVICE),
        audited("POST", "/oauth/token", oauth.token, CREATE_TOKEN),
        audited("POST", "/oauth/device_authorization", oauth.device_authorization, CREATE_DEVICE),
        audited("POST", "/oauth/revoke", oauth.revoke, DELETE_SESSION),
        Route("/oauth/jwks", oauth.jwks, methods=["GET"]),
        Route("/.well-known/openid-configuration", oauth.metadata, methods=["GET"]),
        Route("/.well-known/oauth-authorization-server", oauth.metadata, methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {
        OAuthError: _on_oauth_error,
        LoginRefused: _on_refused,
        TryLater: _on_later,
        KeaError: _on_kea_error,
        HTTPException: _on_http_error,
        Exception: _on_failure,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


def _is_api(request: Request) -> bool:
    return request.url.path.startswith(API)


def _failure(request: Request, status: HTTPStatus, error: str, text: str, retry_seconds: int = 0) -> Response:
    if _is_api(request):
        return oauth_failure(OAuthError(error, text, status, retry_seconds))
    if request.url.path == RENEW:
        headers = {"retry_after": str(retry_seconds)} if retry_seconds else {}
        return problem_answer(status, error.upper(), text, **headers)
    response = page("message.html", status, title=status.phrase, text=text, place="/login", link="Log in")
    if retry_seconds:
        response.headers["retry-after"] = str(retry_seconds)
    return response


async def _on_oauth_error(request: Request, error: OAuthError) -> Response:
    if _is_api(request):
        return oauth_failure(error)
    return _failure(request, error.status, error.error, error.description)


async def _on_refused(request: Request, error: LoginRefused) -> Response:
    if _is_api(request):
        return oauth_failure(invalid_request(str(error)))
    return _failure(request, HTTPStatus.FORBIDDEN, "access_denied", str(error))


async def _on_later(request: Request, error: TryLater) -> Response:
    status = HTTPStatus.TOO_MANY_REQUESTS if error.limited else HTTPStatus.SERVICE_UNAVAILABLE
    return _failure(request, status, "temporarily_unavailable", f"{error}; try again soon", error.seconds)


async def _on_kea_error(request: Request, error: KeaError) -> Response:
    if isinstance(error, Unavailable):
        return _failure(request, HTTPStatus.SERVICE_UNAVAILABLE, "temporarily_unavailable", str(error), 1)
    return _failure(request, HTTPStatus.BAD_REQUEST, "invalid_request", str(error))


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    response = _failure(request, status, "invalid_request", status.phrase)
    response.headers.update(error.headers or {})
    return response


async def _on_failure(request: Request, error: Exception) -> Response:  # noqa: ARG001 - it is logged by whoever serves
    return _failure(request, HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", "internal error")
