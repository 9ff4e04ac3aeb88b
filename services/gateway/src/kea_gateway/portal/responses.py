"""Answers of the portal: documents with an ETag, problems, and which of JSON and HTML a caller wants."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

PROBLEM = "application/problem+json"
_REVALIDATE = "no-cache"
"""Kept, but asked for each time: docs are never out of date, and an unchanged document costs no transfer."""
_VARY = "Accept, Authorization, Host, X-Forwarded-Proto"


def document_response(request: Request, document: Any, *, private: bool) -> Response:
    """Returns a JSON document, or 304 where the caller has it; `private` where it depends on who asks."""
    return _tagged(request, json.dumps(document, ensure_ascii=False).encode(), "application/json", private=private)


def page_response(request: Request, html: str, *, private: bool) -> Response:
    """Returns a page, or 304 where the caller has it; `private` where it depends on who asks."""
    return _tagged(request, html.encode(), "text/html; charset=utf-8", private=private)


def problem_response(status: HTTPStatus, reason: str, detail: str) -> Response:
    """Returns an error as RFC 9457 has it."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, "reason": reason}
    return Response(json.dumps(body), status.value, {"cache-control": "no-store"}, PROBLEM)


def wants_html(request: Request) -> bool:
    """Returns whether the caller would rather have a page than JSON: only where it says so."""
    weights = {"text/html": 0.0, "application/json": 0.0}
    for part in request.headers.get("accept", "").split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in weights:
            weights[name] = max(weights[name], _quality(parameters))
    return weights["text/html"] > weights["application/json"]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _tagged(request: Request, body: bytes, media_type: str, *, private: bool) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": _REVALIDATE, "vary": _VARY}
    if private:
        # Caches before Envoy see a session's cookie, of which Envoy makes the token that is seen here.
        headers |= {"cache-control": f"private, {_REVALIDATE}", "vary": f"{_VARY}, Cookie"}
    known = {entry.strip().removeprefix("W/") for entry in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
