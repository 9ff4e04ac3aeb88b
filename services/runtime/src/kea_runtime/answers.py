"""HTTP answers, and the one table from errors to status codes."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from kea_runtime.errors import (
    BodyTooLarge,
    CallError,
    Draining,
    InvalidRequest,
    ModelFailed,
    NotFound,
    OutputInvalid,
    OutputNotRepresentable,
    Overloaded,
    UnsupportedEncoding,
    VerbNotAllowed,
    pointer,
)

Headers = list[tuple[str, str]]

STATUSES: dict[type[CallError], HTTPStatus] = {
    InvalidRequest: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    VerbNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedEncoding: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    Draining: HTTPStatus.SERVICE_UNAVAILABLE,
    ModelFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    OutputInvalid: HTTPStatus.INTERNAL_SERVER_ERROR,
    OutputNotRepresentable: HTTPStatus.INTERNAL_SERVER_ERROR,
    CallError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Payloads that do not fit are 400 in every protocol, never 422: OIP and V1 know no other."""

JSON = "application/json"
PROBLEM = "application/problem+json"
OCTETS = "application/octet-stream"
BINARY_HEADER = "inference-header-content-length"


class Answer(NamedTuple):
    """A whole HTTP response."""

    status: int
    headers: Headers
    body: bytes
    last: bool = False
    """Whether the connection is to be closed behind it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Builds responses of one model version; their headers are made once."""

    version: int
    json_headers: Headers
    problem_headers: Headers

    @classmethod
    def of(cls, version: int) -> Answers:
        """Returns the builder for a version."""
        label = ("x-kea-version", str(version))
        return cls(version, [("content-type", JSON), label], [("content-type", PROBLEM), label])

    def json(self, document: Any, status: int = 200) -> Answer:
        """Returns a JSON answer; arrays are written as they are."""
        return Answer(status, self.json_headers, orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))

    def binary(self, header: bytes, tensors: list[bytes]) -> Answer:
        """Returns an answer of the binary tensor extension."""
        headers = [("content-type", OCTETS), (BINARY_HEADER, str(len(header))), self.json_headers[1]]
        return Answer(200, headers, b"".join((header, *tensors)))

    def problem(self, error: CallError, request_id: str) -> Answer:
        """Returns an RFC 9457 problem with a pointer to every place at fault."""
        status = status_of(error)
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": public_text(error, request_id),
            "reason": error.reason,
        }
        if isinstance(error, InvalidRequest):
            document["errors"] = [
                {"pointer": pointer(violation.path), "detail": violation.detail, "expected": violation.expected}
                for violation in error.violations
            ]
        return Answer(status.value, _with_allow(self.problem_headers, error), orjson.dumps(document))

    def error(self, error: CallError, request_id: str) -> Answer:
        """Returns the error shape of OIP and V1: one string."""
        body = orjson.dumps({"error": public_text(error, request_id)})
        return Answer(status_of(error).value, _with_allow(self.json_headers, error), body)


def status_of(error: CallError) -> HTTPStatus:
    """Returns the status of the nearest class in the table."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def public_text(error: CallError, request_id: str) -> str:
    """Returns what a caller may read. What the model said stays in the log, to be found by the request's id."""
    if isinstance(error, ModelFailed | OutputInvalid) or type(error) is CallError:
        return f"the model failed to answer (request {request_id})"
    return str(error)


def _with_allow(headers: Headers, error: CallError) -> Headers:
    return [*headers, ("allow", error.allowed)] if isinstance(error, VerbNotAllowed) else headers
