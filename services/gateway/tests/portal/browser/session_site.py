"""The portal with people who log in, as a browser finds it in tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from kea_core.policy import Binding, Policy
from kea_core.testing.tokens import known_authority, make_token
from kea_gateway.portal.app import build_app
from kea_gateway.portal.catalog import Catalog
from kea_gateway.portal.visitor import visitors_by
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

PREDICT = Binding("users/ada", "consumer", "projects/default/endpoints/iris/methods/predict", "bindings/ada")
LIFE_SECONDS = 600


def token() -> str:
    """Returns what a session's cookie has in it: Ada, who may call one method of iris and nothing else."""
    return make_token(subject="users/ada")


@dataclass
class SessionSite:
    """The portal, auth's part of renewing sessions, and a model beside it, on a port of their own."""

    origin: str = ""
    status: int = 200
    """What a renewal is answered."""
    renewed: str | None = None
    """What a renewed session's cookie has in it; None: a good token."""
    renewals: list[str | None] = field(default_factory=list[str | None])
    """The `Origin` of each renewal that was asked for."""
    opened: list[str] = field(default_factory=list[str])
    """Pages that were asked for."""
    calls: list[str | None] = field(default_factory=list[str | None])
    """Authorization header of each call of the model."""

    def app(self, catalog: Catalog) -> Starlette:
        """Returns all of it. Envoy, auth and a model server cannot be started by this package's tests.

        Renewal is the answer that auth gives (`POST /login/renew`): cookies as it sets them, and 401 at its end.
        """
        authority = known_authority(Policy(bindings={PREDICT.name: PREDICT}))

        async def renew(request: Request) -> Response:
            self.renewals.append(request.headers.get("origin"))
            if self.status != 200:
                return JSONResponse({}, self.status)
            response = JSONResponse({"subject": "users/ada", "expires_in": LIFE_SECONDS})
            response.set_cookie("kea_session", self.renewed or token(), LIFE_SECONDS, httponly=True, samesite="lax")
            expires = str(int(time.time()) + LIFE_SECONDS)
            response.set_cookie("kea_session_expires", expires, 3600, samesite="lax")
            return response

        async def predict(request: Request) -> JSONResponse:
            self.calls.append(request.headers.get("authorization"))
            return JSONResponse({"species": ["setosa"]})

        routes = [
            Route("/login/renew", renew, methods=["POST"]),
            Route("/models/iris/predict", predict, methods=["POST"]),
            Mount("/", build_app(catalog, visitors=visitors_by(authority), login=True)),
        ]
        return Starlette(routes=routes, middleware=[Middleware(_Session, self)])

    def cookies(self, expires_in: float | None, **more: str) -> list[dict[str, Any]]:
        """Returns cookies as DevTools take them: when the session's access ends, and others."""
        ends = {} if expires_in is None else {"kea_session_expires": str(int(time.time() + expires_in))}
        return [{"name": name, "value": value, "url": self.origin} for name, value in {**ends, **more}.items()]


class _Session:
    """Makes a bearer token of a session's cookie, as Envoy's script does (session.lua)."""

    def __init__(self, app: ASGIApp, site: SessionSite) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if scope["path"].endswith("/docs"):
            self._site.opened.append(scope["path"])
        session = request.cookies.get("kea_session")
        if session is not None and "authorization" not in request.headers:
            MutableHeaders(scope=scope)["authorization"] = f"Bearer {session}"
        await self._app(scope, receive, send)
