"""Every page and document of the portal."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import jinja2
from kea_openapi.api_document import management_document
from kea_openapi.model_document import model_document
from kea_openapi.model_draft import ModelApi
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kea_gateway.portal.assets import Assets
from kea_gateway.portal.catalog import Catalog, ServedModel
from kea_gateway.portal.responses import document_response, page_response, problem_response, wants_html
from kea_gateway.portal.views import matches, method_views, model_json, sample_views
from kea_gateway.portal.visitor import Visitor, Visitors

_HOST = re.compile(r"^[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?$")
_MAX_QUERY = 200


class Pages:
    """Answers the portal's requests.

    Args:
        catalog: knows the models.
        assets: the static files that pages use.
        public_url: where callers reach the gateway, without a slash at the end; empty: as each request says.
        visitors: tells who looks; None: nobody knows, and everybody sees everything.
        login: whether people can log in at `/login`.
        private_docs: whether docs are for those only who may call the model.
    """

    def __init__(
        self,
        catalog: Catalog,
        assets: Assets,
        public_url: str = "",
        *,
        visitors: Visitors | None = None,
        login: bool = False,
        private_docs: bool = False,
    ) -> None:
        self._catalog = catalog
        self._assets = assets
        self._public_url = public_url
        self._visitors = visitors
        self._login = login
        self._private_docs = private_docs
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("kea_gateway.portal"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def home(self, request: Request) -> Response:
        """Sends visitors to the list of models."""
        return RedirectResponse(f"{_prefix(request)}/docs")

    async def list_page(self, request: Request) -> Response:
        """Shows the models of a project: to who has logged in those that they may call, and others if they want."""
        visitor = self._visitor(request)
        found = await self._catalog.list_models(_project(request))
        models = [model for model in found if not self._hides(model, visitor)]
        others = set[str]() if visitor is None else {it.name for it in models if not visitor.may_call_any(it)}
        everything = request.query_params.get("all") == "1"
        if not everything:
            models = [model for model in models if model.name not in others]
        query = request.query_params.get("q", "")[:_MAX_QUERY]
        return self._page(
            request,
            "models.html",
            visitor,
            models=models,
            shown={model.name for model in models if matches(model, query)},
            query=query,
            others=others,
            everything=everything,
            private_docs=self._private_docs,
        )

    async def list_json(self, request: Request) -> Response:
        """Lists the models of a project that the caller may call; browsers are sent to the page."""
        if wants_html(request):
            return RedirectResponse(f"{_prefix(request)}/docs", headers={"vary": "Accept"})
        models = await self._catalog.list_models(_project(request))
        if self._visitors is not None:
            visitor = self._visitors(request)
            models = [model for model in models if visitor is not None and visitor.may_call_any(model)]
        base = self._base(request)
        listed = {"models": [model_json(model, base) for model in models]}
        return document_response(request, listed, private=self._visitors is not None)

    async def model_page(self, request: Request) -> Response:
        """Shows one model's documentation."""
        visitor = self._visitor(request)
        model = await self._catalog.get_model(_project(request), request.path_params["model"])
        if model is None or self._hides(model, visitor):
            return self.not_found(request)
        document = self._document(request, model)
        return self._page(
            request,
            "model.html",
            visitor,
            model=model,
            methods=method_views(model, visitor),
            samples=[] if document is None else sample_views(document, model),
            incomplete=[] if document is None else document["info"]["x-kea-incomplete"],
        )

    async def model_openapi(self, request: Request) -> Response:
        """Returns one model's OpenAPI document."""
        model = await self._catalog.get_model(_project(request), request.path_params["model"])
        if model is None or self._hides(model, self._visitor(request)):
            return self.not_found(request)
        document = self._document(request, model)
        if document is None:
            detail = f"the signature of model {model.name!r} is not known now: no deployment of it is found"
            return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, "SIGNATURE_UNAVAILABLE", detail)
        return document_response(request, document, private=self._private_docs)

    async def api_page(self, request: Request) -> Response:
        """Shows the management API's documentation."""
        return self._page(request, "api.html", self._visitor(request))

    async def api_openapi(self, request: Request) -> Response:
        """Returns the management API's OpenAPI document."""
        return document_response(request, management_document(self._base(request)), private=self._private_docs)

    def not_found(self, request: Request) -> Response:
        """Returns 404 as the caller would have it."""
        name = request.path_params.get("model")
        detail = "there is nothing at this address"
        if name is not None:
            detail = f"there is no model {name!r} in project {_project(request)!r}"
        return self.failure(request, HTTPStatus.NOT_FOUND, "MODEL_NOT_FOUND" if name else "PAGE_NOT_FOUND", detail)

    def failure(self, request: Request, status: HTTPStatus, reason: str, detail: str) -> Response:
        """Returns an error as a page or a problem."""
        if not wants_html(request):
            return problem_response(status, reason, detail)
        html = self._render(request, "error.html", self._visitor(request), status=status, detail=detail)
        return Response(html, status.value, {"cache-control": "no-store"}, "text/html")

    def _visitor(self, request: Request) -> Visitor | None:
        return None if self._visitors is None else self._visitors(request)

    def _hides(self, model: ServedModel, visitor: Visitor | None) -> bool:
        """Returns whether a model is as good as not there for a visitor."""
        return self._private_docs and (visitor is None or not visitor.may_call_any(model))

    def _document(self, request: Request, model: ServedModel) -> dict[str, Any] | None:
        if model.signature is None:
            return None
        api = ModelApi(
            name=model.name,
            version=model.version,
            signature=model.signature,
            project=model.project,
            framework=model.framework,
            description=model.description,
            server_url=self._base(request),
            limits=model.limits,
        )
        return model_document(api)

    def _base(self, request: Request) -> str:
        """Returns where the caller reaches the gateway. A host that is none is not echoed into documents."""
        if self._public_url:
            return self._public_url
        host = request.headers.get("host", "")
        scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
        if not _HOST.match(host) or scheme not in {"http", "https"}:
            return "http://localhost"
        return f"{scheme}://{host}"

    def _page(self, request: Request, template: str, visitor: Visitor | None, **values: Any) -> Response:
        html = self._render(request, template, visitor, **values)
        return page_response(request, html, private=self._visitors is not None)

    def _render(self, request: Request, template: str, visitor: Visitor | None, **values: Any) -> str:
        project = _project(request)
        return self._templates.get_template(template).render(
            project=project,
            prefix=_prefix(request),
            asset=self._assets.url,
            login=self._login,
            who="" if visitor is None else visitor.name,
            place=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            **values,
        )


def _project(request: Request) -> str:
    return request.path_params.get("project", "default")


def _prefix(request: Request) -> str:
    project = request.path_params.get("project")
    return "" if project is None else f"/projects/{project}"
