"""The portal's ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kea_gateway.portal.assets import Assets
from kea_gateway.portal.catalog import Catalog, CatalogUnavailableError
from kea_gateway.portal.pages import Pages
from kea_gateway.portal.responses import problem_response
from kea_gateway.portal.security_headers import SecurityHeaders
from kea_gateway.portal.visitor import Visitors

Ready = Callable[[], Awaitable[bool]]
"""Returns whether the gateway may take requests."""


async def _always() -> bool:
    return True


def build_app(
    catalog: Catalog,
    *,
    ready: Ready = _always,
    public_url: str = "",
    visitors: Visitors | None = None,
    login: bool = False,
    private_docs: bool = False,
) -> Starlette:
    """Returns the application.

    Args:
        catalog: knows the models.
        ready: answers `/readyz`.
        public_url: where callers reach the gateway; empty: as the `Host` header of each request says.
        visitors: tells who looks; None: nobody knows, and everybody sees everything.
        login: whether people can log in at `/login`.
        private_docs: whether docs are for those only who may call the model.
    """
    assets = Assets()
    pages = Pages(catalog, assets, public_url.rstrip("/"), visitors=visitors, login=login, private_docs=private_docs)

    async def readyz(request: Request) -> Response:  # noqa: ARG001 - Starlette's shape
        if await ready():
            return PlainTextResponse("ready\n")
        return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, "NOT_READY", "the gateway is not ready")

    async def on_http_error(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException) or error.status_code == HTTPStatus.NOT_FOUND:
            return pages.not_found(request)
        status = HTTPStatus(error.status_code)
        response = problem_response(status, status.name, status.phrase)
        response.headers.update(error.headers or {})
        return response

    async def on_unavailable(request: Request, error: Exception) -> Response:
        return pages.failure(request, HTTPStatus.SERVICE_UNAVAILABLE, "CATALOG_UNAVAILABLE", str(error))

    handlers: dict[Any, Any] = {HTTPException: on_http_error, CatalogUnavailableError: on_unavailable}
    return Starlette(
        routes=[
            Route("/", pages.home),
            Route("/healthz", _healthz),
            Route("/readyz", readyz),
            Route("/docs/assets/{digest}/{name}", assets.serve),
            Route("/api/docs", pages.api_page),
            Route("/api/openapi.json", pages.api_openapi),
            *_model_routes(pages, ""),
            *_model_routes(pages, "/projects/{project}"),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers=handlers,
    )


def _model_routes(pages: Pages, prefix: str) -> list[BaseRoute]:
    return [
        Route(f"{prefix}/docs", pages.list_page),
        Route(f"{prefix}/models", pages.list_json),
        Route(f"{prefix}/models/{{model}}/docs", pages.model_page),
        Route(f"{prefix}/models/{{model}}/openapi.json", pages.model_openapi),
    ]


async def _healthz(request: Request) -> Response:  # noqa: ARG001 - Starlette's shape
    return PlainTextResponse("ok\n")
