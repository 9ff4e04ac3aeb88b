"""Errors of ours from HTTP answers. Most commands make no HTTP call, and need not load its client."""

from __future__ import annotations

import http
import json
from collections.abc import Mapping
from typing import Any, cast

import httpx

from kea_sdk.error_mapping import made, not_connected
from kea_sdk.errors import (
    Aborted,
    DeadlineExceeded,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    KeaClientError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

STATUSES: Mapping[int, type[KeaClientError]] = {
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    408: DeadlineExceeded,
    409: Aborted,
    412: FailedPrecondition,
    413: ResourceExhausted,
    429: ResourceExhausted,
    431: ResourceExhausted,
    501: NotFound,
    502: Unavailable,
    503: Unavailable,
    504: DeadlineExceeded,
}
"""All others below 500 are InvalidArgument."""

_KNOWN = frozenset(status.value for status in http.HTTPStatus)


def from_response(response: httpx.Response) -> KeaClientError:
    """Returns a failed HTTP call as an error of ours, whatever protocol's shape the answer has."""
    document = _object(response)
    other = InvalidArgument if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR else KeaClientError
    kind = STATUSES.get(response.status_code, other)
    errors = document.get("errors")
    violations = [
        FieldViolation(str(entry.get("pointer", "")), _violation(cast("dict[str, Any]", entry)))
        for entry in cast("list[Any]", errors if isinstance(errors, list) else [])
        if isinstance(entry, dict)
    ]
    inner = document.get("error")
    if isinstance(inner, dict):  # google.rpc.Status, as the management API answers
        document = {"detail": inner.get("message"), "reason": inner.get("status")}
    elif isinstance(inner, str):
        document = {"detail": inner}
    phrase = http.HTTPStatus(response.status_code).phrase if response.status_code in _KNOWN else "unknown status"
    text = str(document.get("detail") or document.get("message") or document.get("title") or phrase)
    wait = response.headers.get("retry-after", "")
    if wait.isdecimal():
        text += f" (in {wait} s)"
    metadata = {"retry_after_seconds": wait} if wait.isdecimal() else {}
    return made(kind, text, str(document.get("reason") or ""), metadata, violations)


def from_transport(error: httpx.RequestError, url: str) -> KeaClientError:
    """Returns an HTTP call without any answer, or with half of one, as an error of ours."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return not_connected(str(error), url)
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceeded(f"{url} did not answer in time")
    return Unavailable(f"the connection to {url} broke: {error}")


def _violation(entry: Mapping[str, Any]) -> str:
    expected = entry.get("expected")
    detail = str(entry.get("detail", ""))
    return f"{detail}; expected {expected}" if expected else detail


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}
