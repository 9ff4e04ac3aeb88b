"""Requests and answers of auth's pages and endpoints."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from http import HTTPStatus
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jinja2
from kea_core.audit_trail import CLIENT_ADDRESS
from starlette.requests import Request
from starlette.responses import Response

from kea_auth.login.errors import LoginRefused
from kea_auth.login.oauth import OAuthError, invalid_request

MAX_FORM_BYTES = 32 * 1024
FORM = "application/x-www-form-urlencoded"
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_STYLE = resources.files("kea_auth.login").joinpath("templates/login.css").read_text(encoding="utf-8").strip()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
SECURITY_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
    "pragma": "no-cache",
}
_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("kea_auth.login"), autoescape=True, undefined=jinja2.StrictUndefined
)


def page(template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
    """Returns a page."""
    html = _TEMPLATES.get_template(template).render(style=_STYLE, **values)
    return Response(html, status.value, SECURITY_HEADERS, "text/html")


def redirect(place: str, status: HTTPStatus = HTTPStatus.SEE_OTHER) -> Response:
    """Returns an answer that sends a browser elsewhere."""
    return Response(status_code=status.value, headers={**SECURITY_HEADERS, "location": place})


def leave(place: str, title: str) -> Response:
    """Returns a page that sends a browser to an identity provider.

    Not a redirect: a form's may lead to our own addresses only (`form-action`).
    """
    return page("leave.html", place=place, title=title)


def json_answer(document: Any, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    """Returns a JSON document that nobody keeps."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(document), status.value, {**SECURITY_HEADERS, **named}, "application/json")


def problem_answer(status: HTTPStatus, reason: str, detail: str, **headers: str) -> Response:
    """Returns an error as RFC 9457 has it, for scripts of our pages."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, "reason": reason}
    response = json_answer(body, status, **headers)
    response.headers["content-type"] = "application/problem+json"
    return response


def oauth_failure(error: OAuthError) -> Response:
    """Returns an error as RFC 6749, section 5.2, writes it."""
    headers = {"retry_after": str(error.retry_seconds)} if error.retry_seconds else {}
    if error.status is HTTPStatus.UNAUTHORIZED:
        headers["www_authenticate"] = 'Basic realm="kea"'
    # RFC 6749 allows neither quotes nor letters beyond ASCII there.
    description = re.sub(r"[^\x20\x21\x23-\x5b\x5d-\x7e]", "'", error.description)
    return json_answer({"error": error.error, "error_description": description}, error.status, **headers)


async def read_form(request: Request) -> dict[str, str]:
    """Returns a form's parameters.

    Raises:
        OAuthError: it is none, too long, or says something twice.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        problem = f"the content type is not {FORM}"
        raise invalid_request(problem)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            problem = f"the form is longer than {MAX_FORM_BYTES} bytes"
            raise invalid_request(problem)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        problem = "the form is malformed"
        raise invalid_request(problem) from error
    if len({name for name, _ in pairs}) != len(pairs):
        problem = "a parameter is given twice"
        raise invalid_request(problem)
    return dict(pairs)


def check_same_origin(request: Request) -> None:
    """Checks that a form was sent from one of our own pages.

    Raises:
        LoginRefused: it was not, or the browser does not say.
    """
    origin = request.headers.get("origin", "")
    if not origin or urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        problem = "this form was sent from elsewhere"
        raise LoginRefused(problem, "another site")


def base_url(request: Request, public_url: str) -> str:
    """Returns where the gateway is reached: as the settings say, or else as the request does."""
    host = request.headers.get("host", "")
    if public_url:
        return public_url
    return f"http://{host}" if _HOST.fullmatch(host) else "http://localhost"


def address_of(request: Request) -> str:
    """Returns the address of whoever sent a request to the gateway, which alone can say so."""
    return request.headers.get(CLIENT_ADDRESS, "unknown")[:64]
