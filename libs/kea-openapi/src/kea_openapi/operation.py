"""Small pieces of OpenAPI that the protocols' operations are made of."""

from __future__ import annotations

from typing import Any

from kea_openapi.model_draft import Json

GENERATED = "Made from the types, for the signature shows no call: the values mean nothing."
RECORDED = "A call that works."


def json_body(schema: Json, value: Any = None, summary: str = "", media_type: str = "application/json") -> Json:
    """Returns `content` with one media type, and an example where there is a summary to go with it."""
    content: Json = {"schema": schema}
    if summary:
        content["examples"] = {"example": {"summary": summary, "value": value}}
    return {media_type: content}


def request_body(schema: Json, value: Any = None, summary: str = "") -> Json:
    """Returns a required JSON request body."""
    return {"required": True, "content": json_body(schema, value, summary)}


def json_response(description: str, schema: Json, value: Any = None, summary: str = "") -> Json:
    """Returns a JSON response."""
    return {"description": description, "content": json_body(schema, value, summary)}


def summary_of(text: str, default: str) -> str:
    """Returns the first sentence or line of a description, without a full stop."""
    first = text.strip().partition("\n")[0].partition(". ")[0].strip().rstrip(".")
    return first if 0 < len(first) <= 120 else default  # noqa: PLR2004 - OpenAPI's own advice for summaries
