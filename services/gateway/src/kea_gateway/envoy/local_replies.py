"""Envoy's own refusals, in the error shape of the path they answer on."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

BODY = "%LOCAL_REPLY_BODY%"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
DOMAIN = "kea.dev"

REASONS: dict[int, tuple[str, str, int, str]] = {
    400: ("BAD_REQUEST", "Bad Request", 3, BODY),
    401: ("TOKEN_INVALID", "Unauthorized", 16, BODY),
    403: ("PERMISSION_MISSING", "Forbidden", 7, "no binding lets the caller do this"),
    404: ("NOT_FOUND", "Not Found", 5, "no such address, model or version"),
    405: ("METHOD_NOT_ALLOWED", "Method Not Allowed", 12, BODY),
    408: ("REQUEST_TIMEOUT", "Request Timeout", 4, BODY),
    413: ("BODY_TOO_LARGE", "Content Too Large", 8, BODY),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type", 3, BODY),
    429: ("RATE_LIMITED", "Too Many Requests", 8, "too many requests; Retry-After says when the next may come"),
    431: ("HEADERS_TOO_LARGE", "Request Header Fields Too Large", 3, BODY),
    500: ("INTERNAL", "Internal Server Error", 13, "internal error"),
    502: ("BAD_GATEWAY", "Bad Gateway", 14, BODY),
    503: ("UNAVAILABLE", "Service Unavailable", 14, "no replica is ready; try again"),
    504: ("DEADLINE_EXCEEDED", "Gateway Timeout", 4, "the model did not answer in time"),
}
"""Status to reason, title, gRPC code and text. The text is ours where Envoy's is empty or speaks of its insides."""

LOST = "the replica ended before it answered; whether the model has run is not known"
OVERLOADED = "too many requests wait for this model; try again"
REVOKED_DETAILS = "rbac_access_denied_matched_policy[revoked]"
"""What Envoy says of a refusal by the router's revocation filter, of which `revoked` is the policy. Its RBAC filter
knows no status but 403 for it."""
AUDIENCE_DETAILS = "jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed}"
"""What Envoy says of a token that is good elsewhere; it answers 403."""
INVALID_TOKENS = (
    (REVOKED_DETAILS, "the token has been revoked"),
    (AUDIENCE_DETAILS, "the token is for another audience"),
)
"""Tokens that are not good, for which Envoy answers 403: what it says of them, and what is told."""
CROWDED = ("TOO_MANY_AT_ONCE", "Too Many Requests", 8, "too many requests are in progress; try again in a second")
CROWDED_DETAILS = ("reached_concurrency_limit", "consumer_at_limit", "project_at_limit")
"""What Envoy says where an endpoint, a consumer at it, or a project has as many requests in progress as it may."""
CROSS_SITE = ("CROSS_SITE", "Forbidden", 7, BODY)
LUA_DETAILS = "lua_response"
"""What Envoy says where a script of ours has answered."""
CEL = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
BY_FLAGS = (
    (("UC", "UR"), 503, ("REPLICA_LOST", "Service Unavailable", 14, LOST)),
    (("UO",), 503, ("OVERLOADED", "Service Unavailable", 14, OVERLOADED)),
)
"""Response flags that tell more than the status does: these come first."""

GRPC = {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}
LOGIN = r"/(login|logout|device)(/.*)?"
MAX_RETURN = 2048
"""Characters of a path that a browser comes back to."""
LOGIN_AWAY = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Not now</title></head>
<body><h1>Nobody can log in now</h1>
<p>Whoever is logged in goes on. Try again in a minute.</p></body></html>
"""
"""What a browser is shown while auth is away. No percent sign: Envoy would take it for a variable."""
OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"
INFERENCE = r"(/projects/[^/]+)?/v[12](/.*)?"
MANAGEMENT = r"/api(/.*)?"
MALFORMED = "the request is malformed: %RESPONSE_CODE_DETAILS%"
"""Where Envoy refuses a request before it has read its path (an escaped slash, a bad header) it says nothing more."""


def local_reply_config() -> dict[str, Any]:
    """Returns Envoy's `local_reply_config`: per shape, status and flags a mapper.

    The typed JSON's problem comes last, for all paths. The transcoder's refusals come after the path was
    rewritten to that of a gRPC call; they are known by the original one, which is looked at first.
    """
    mappers = [*_pages(), *_invalid_tokens(), *_crowded(), *_cross_site()]
    for flags, status, entry in BY_FLAGS:
        flagged = {"response_flag_filter": {"flags": list(flags)}}
        mappers += [{**mapper, "filter": _both(mapper["filter"], flagged)} for mapper in _shapes(status, *entry)]
    for status, entry in REASONS.items():
        mappers += _shapes(status, *entry)
    return {"mappers": mappers}


def _pages() -> list[dict[str, Any]]:
    """Returns the mappers for browsers that ask for a page: to the login where a session lacks, and back from there.

    The path is written as it came, at the end, which is how auth reads it (`kea_auth.login.return_to`).
    """
    asks = [
        {"header_filter": {"header": {"name": ":method", "string_match": {"exact": "GET"}}}},
        {"header_filter": {"header": {"name": "accept", "string_match": {"contains": "text/html"}}}},
    ]
    login = {"header": {"key": "location", "value": f"/login?return_to=%REQ(:PATH):{MAX_RETURN}%"}}
    page = {
        "status_code": 302,
        "headers_to_add": [login, {"header": {"key": "cache-control", "value": "no-store"}}],
        "body_format_override": {"text_format_source": {"inline_string": "log in"}},
    }
    away = {
        "body_format_override": {
            "text_format_source": {"inline_string": LOGIN_AWAY},
            "content_type": "text/html; charset=utf-8",
        }
    }
    return [
        {"filter": _both(_status(401), *asks), **page},
        {"filter": _both(_status(403), _details(REVOKED_DETAILS), *asks), **page},
        {"filter": _both(_status(503), asks[1], _path(":path", LOGIN)), **away},
        {"filter": _both(_status(504), asks[1], _path(":path", LOGIN)), "status_code": 503, **away},
    ]


def _invalid_tokens() -> list[dict[str, Any]]:
    """Returns the mappers that answer 401 where Envoy answers 403, with the challenge of RFC 6750, section 3."""
    found: list[dict[str, Any]] = []
    for details, text in INVALID_TOKENS:
        value = f'Bearer error="invalid_token", error_description="{text}"'
        challenge = {"header": {"key": "www-authenticate", "value": value}, "append_action": OVERWRITE}
        for mapper in _shapes(401, "TOKEN_INVALID", "Unauthorized", 16, text, matched=403):
            headers = [*mapper.get("headers_to_add", ()), challenge]
            which = _both(mapper["filter"], _details(details))
            found.append({**mapper, "filter": which, "status_code": 401, "headers_to_add": headers})
    return found


def _crowded() -> list[dict[str, Any]]:
    """Returns the mappers that say when to come back, where Envoy does not know: requests end when they end."""
    soon = {"header": {"key": "retry-after", "value": "1"}}
    return [
        {
            **mapper,
            "filter": _both(mapper["filter"], _details(details)),
            "headers_to_add": [*mapper.get("headers_to_add", ()), soon],
        }
        for details in CROWDED_DETAILS
        for mapper in _shapes(429, *CROWDED)
    ]


def _cross_site() -> list[dict[str, Any]]:
    """Returns the mappers for what Lua refuses: a request that another site made with a browser's cookie."""
    return [
        {**mapper, "filter": _both(mapper["filter"], _details(LUA_DETAILS))} for mapper in _shapes(403, *CROSS_SITE)
    ]


def _details(details: str) -> dict[str, Any]:
    expression = f"response.code_details == '{details}'"
    return {"extension_filter": {"name": "cel", "typed_config": {"@type": CEL, "expression": expression}}}


def _shapes(
    status: int, reason: str, title: str, code: int, text: str, *, matched: int | None = None
) -> list[dict[str, Any]]:
    """Returns a mapper per shape, for replies that Envoy gives with status `matched`, or else with `status` itself."""
    oip = {"error": text}
    rpc = {
        "code": code,
        "message": text,
        "details": [{"@type": ERROR_INFO, "reason": reason, "domain": DOMAIN, "metadata": {}}],
    }
    detail = MALFORMED if text == BODY and status == HTTPStatus.BAD_REQUEST else text
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "reason": reason}
    given = status if matched is None else matched
    status_of_grpc = {"header": {"key": "grpc-status", "value": str(code)}, "append_action": OVERWRITE}
    return [
        _mapper(given, "application/json", rpc, _path("x-envoy-original-path", MANAGEMENT)),
        # Envoy would put a document into the message, and has other codes for some of these.
        {
            "filter": _both(_status(given), {"header_filter": GRPC}),
            "headers_to_add": [status_of_grpc],
            "body_format_override": {"text_format_source": {"inline_string": detail}},
        },
        _mapper(given, "application/json", oip, _path(":path", INFERENCE)),
        _mapper(given, "application/json", rpc, _path(":path", MANAGEMENT)),
        _mapper(given, "application/problem+json", problem, None),
    ]


def _mapper(status: int, content_type: str, document: dict[str, Any], path: dict[str, Any] | None) -> dict[str, Any]:
    found = _status(status) if path is None else _both(_status(status), path)
    return {"filter": found, "body_format_override": {"json_format": document, "content_type": content_type}}


def _status(status: int) -> dict[str, Any]:
    compared = {"op": "EQ", "value": {"default_value": status, "runtime_key": "kea.none"}}
    return {"status_code_filter": {"comparison": compared}}


def _both(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


def _path(header: str, regex: str) -> dict[str, Any]:
    matched = {"name": header, "string_match": {"safe_regex": {"regex": regex + r"(\?.*)?"}}}
    return {"header_filter": {"header": matched}}
