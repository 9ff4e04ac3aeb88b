"""The error responses of a model's document.

Typed JSON answers problem+json, the inference protocols `{"error": text}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from kea_openapi.examples import MethodExample
from kea_openapi.model_draft import Json
from kea_openapi.signature import Method

_TEXTS = {
    400: "The request does not fit the signature; the answer names each place.",
    401: "No token was given, or it is not valid.",
    403: "The token's roles may not call this.",
    404: "There is no such model, version or method.",
    413: "The body is larger than the limit.",
    429: "Too many requests; `Retry-After` says when the next may come.",
    500: "The model failed, or answered with something else than its signature says.",
    503: "No replica is ready, or too many calls wait for it.",
    504: "The model did not answer in time.",
}
_REASONS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "BODY_TOO_LARGE",
    429: "RATE_LIMITED",
    500: "MODEL_ERROR",
    503: "OVERLOADED",
    504: "DEADLINE_EXCEEDED",
}
PROBLEM_STATUSES = tuple(_TEXTS)
METADATA_STATUSES = (401, 403, 404, 429, 503)

LIMIT_HEADERS: Json = {
    "Retry-After": {
        "description": "Seconds until the next request may come.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "X-RateLimit-Limit": {
        "description": "Most requests at once, of the endpoint's limit that has refused.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Remaining": {"description": "Requests that may come now.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "Seconds until the next one may.", "schema": {"type": "integer"}},
}
"""What the gateway adds to 429; answers of an endpoint that has a limit have the last three, too."""
PROBLEM_SCHEMA: Json = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Kind of problem."},
        "title": {"type": "string", "description": "The kind in words; the same for each of its kind."},
        "status": {"type": "integer", "description": "HTTP status, repeated."},
        "detail": {"type": "string", "description": "What went wrong this time."},
        "reason": {"type": "string", "description": "Stable reason in UPPER_SNAKE_CASE, for programs."},
        "errors": {
            "type": "array",
            "description": "Each place of the request that is at fault.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer (RFC 6901) into the request."},
                    "detail": {"type": "string", "description": "What is there."},
                    "expected": {"type": "string", "description": "What was expected."},
                },
                "required": ["pointer", "detail"],
            },
        },
    },
    "required": ["title", "status", "detail"],
}
ERROR_SCHEMA: Json = {
    "type": "object",
    "description": "An error of the inference protocols.",
    "properties": {"error": {"type": "string", "description": "What went wrong."}},
    "required": ["error"],
}


def shared_responses() -> Json:
    """Returns `components.responses`: per status one for typed JSON and one for the inference protocols."""
    responses: Json = {}
    for status, text in _TEXTS.items():
        title = HTTPStatus(status).phrase
        problem = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": text,
            "reason": _REASONS[status],
        }
        headers = {"headers": LIMIT_HEADERS} if status == HTTPStatus.TOO_MANY_REQUESTS else {}
        responses[f"Problem{status}"] = _response(text, "application/problem+json", "Problem", problem) | headers
        responses[f"Error{status}"] = _response(text, "application/json", "Error", {"error": text}) | headers
    return responses


def problems(method: Method, example: MethodExample) -> Json:
    """Returns the error responses of a typed JSON operation; the example of 400 is about this method's own inputs."""
    responses = {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in PROBLEM_STATUSES}
    first = next((field.name for field in method.inputs if field.required), None)
    if first is None or example.inputs is None:
        return responses
    pointer = "/" + first.replace("~", "~0").replace("/", "~1")
    problem = {
        "type": "about:blank",
        "title": HTTPStatus.BAD_REQUEST.phrase,
        "status": 400,
        "detail": f"{pointer}: is missing; expected every required input",
        "reason": _REASONS[400],
        "errors": [{"pointer": pointer, "detail": "is missing", "expected": "every required input"}],
    }
    responses["400"] = _response(_TEXTS[400], "application/problem+json", "Problem", problem)
    return responses


def errors(statuses: Sequence[int] = PROBLEM_STATUSES) -> Json:
    """Returns the error responses of an inference protocol's operation."""
    return {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in statuses}


def _response(text: str, media_type: str, schema: str, example: Json) -> Json:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"description": text, "content": {media_type: content}}
