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
    403: ("PERMISSION_MISSING", "Forbidden", 7, "the token does not carry a role that may do this"),
    404: ("NOT_FOUND", "Not Found", 5, "no such address, model or version"),
    405: ("METHOD_NOT_ALLOWED", "Method Not Allowed", 12, BODY),
    408: ("REQUEST_TIMEOUT", "Request Timeout", 4, BODY),
    413: ("BODY_TOO_LARGE", "Content Too Large", 8, BODY),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type", 3, BODY),
    429: ("RATE_LIMITED", "Too Many Requests", 8, BODY),
    431: ("HEADERS_TOO_LARGE", "Request Header Fields Too Large", 3, BODY),
    500: ("INTERNAL", "Internal Server Error", 13, "internal error"),
    502: ("BAD_GATEWAY", "Bad Gateway", 14, BODY),
    503: ("UNAVAILABLE", "Service Unavailable", 14, "no replica is ready; try again"),
    504: ("DEADLINE_EXCEEDED", "Gateway Timeout", 4, "the model did not answer in time"),
}
"""Status to reason, title, gRPC code and text. The text is ours where Envoy's is empty or speaks of its insides."""

LOST = "the replica ended before it answered; whether the model has run is not known"
OVERLOADED = "too many requests wait for this model; try again"
BY_FLAGS = (
    (("UC", "UR"), 503, ("REPLICA_LOST", "Service Unavailable", 14, LOST)),
    (("UO",), 503, ("OVERLOADED", "Service Unavailable", 14, OVERLOADED)),
)
"""Response flags that tell more than the status does: these come first."""

INFERENCE = r"(/projects/[^/]+)?/v[12](/.*)?"
MANAGEMENT = r"/api(/.*)?"
MALFORMED = "the request is malformed: %RESPONSE_CODE_DETAILS%"
"""Where Envoy refuses a request before it has read its path (an escaped slash, a bad header) it says nothing more."""


def local_reply_config() -> dict[str, Any]:
    """Returns Envoy's `local_reply_config`: per shape, status and flags a mapper.

    The typed JSON's problem comes last, for all paths. The transcoder's refusals come after the path was
    rewritten; they are known by the original one.
    """
    mappers: list[dict[str, Any]] = []
    for flags, status, entry in BY_FLAGS:
        flagged = {"response_flag_filter": {"flags": list(flags)}}
        mappers += [{**mapper, "filter": _both(mapper["filter"], flagged)} for mapper in _shapes(status, *entry)]
    for status, entry in REASONS.items():
        mappers += _shapes(status, *entry)
    return {"mappers": mappers}


def _shapes(status: int, reason: str, title: str, code: int, text: str) -> list[dict[str, Any]]:
    oip = {"error": text}
    rpc = {
        "code": code,
        "message": text,
        "details": [{"@type": ERROR_INFO, "reason": reason, "domain": DOMAIN, "metadata": {}}],
    }
    detail = MALFORMED if text == BODY and status == HTTPStatus.BAD_REQUEST else text
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "reason": reason}
    return [
        _mapper(status, "application/json", oip, _path(":path", INFERENCE)),
        _mapper(status, "application/json", rpc, _path(":path", MANAGEMENT)),
        _mapper(status, "application/json", rpc, _path("x-envoy-original-path", MANAGEMENT)),
        _mapper(status, "application/problem+json", problem, None),
    ]


def _mapper(status: int, content_type: str, document: dict[str, Any], path: dict[str, Any] | None) -> dict[str, Any]:
    by_status = {
        "status_code_filter": {
            "comparison": {"op": "EQ", "value": {"default_value": status, "runtime_key": "kea.none"}}
        }
    }
    found = by_status if path is None else _both(by_status, path)
    return {"filter": found, "body_format_override": {"json_format": document, "content_type": content_type}}


def _both(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


def _path(header: str, regex: str) -> dict[str, Any]:
    matched = {"name": header, "string_match": {"safe_regex": {"regex": regex + r"(\?.*)?"}}}
    return {"header_filter": {"header": matched}}
