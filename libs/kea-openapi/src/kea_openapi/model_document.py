"""The OpenAPI 3.1 document of one served model, in all protocols it answers."""

from __future__ import annotations

from kea_openapi.examples import method_example
from kea_openapi.model_draft import Draft, Json, ModelApi
from kea_openapi.model_errors import ERROR_SCHEMA, PROBLEM_SCHEMA, shared_responses
from kea_openapi.oip_paths import TAG as OIP_TAG
from kea_openapi.oip_paths import TAG_DESCRIPTION as OIP_DESCRIPTION
from kea_openapi.oip_paths import oip_paths
from kea_openapi.typed_json import TAG as TYPED_TAG
from kea_openapi.typed_json import TAG_DESCRIPTION as TYPED_DESCRIPTION
from kea_openapi.typed_json import typed_json_paths
from kea_openapi.v1_paths import TAG as V1_TAG
from kea_openapi.v1_paths import TAG_DESCRIPTION as V1_DESCRIPTION
from kea_openapi.v1_paths import v1_paths

SECURITY_SCHEMES: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of KEA, as `kea token` or `POST /api/v1/tokens` gives it.",
    }
}


def model_document(api: ModelApi) -> Json:
    """Returns the document. The same model gives the same document, byte for byte."""
    draft = Draft(api)
    draft.add_schema("Problem", PROBLEM_SCHEMA)
    draft.add_schema("Error", ERROR_SCHEMA)
    typed: Json = {}
    oip: Json = {}
    v1: Json = {}
    gaps: list[str] = []
    for method in api.signature.methods:
        example = method_example(method)
        if example.problem:
            gaps.append(f"methods.{method.name}.example: not shown, for {example.problem}.")
        typed |= typed_json_paths(draft, method, example)
        oip |= oip_paths(draft, method, example)
        v1 |= v1_paths(draft, method, example)
    incomplete = [*api.signature.incomplete, *gaps, *draft.incomplete]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": api.name,
            "version": str(api.version),
            "description": _description(api),
            "x-kea-project": api.project,
            "x-kea-framework": api.framework,
            "x-kea-limits": list(api.limits),
            "x-kea-incomplete": incomplete,
        },
        "servers": [{"url": api.server_url, "description": "KEA's gateway."}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": TYPED_TAG, "description": TYPED_DESCRIPTION},
            {"name": OIP_TAG, "description": OIP_DESCRIPTION},
            {"name": V1_TAG, "description": V1_DESCRIPTION},
        ],
        "paths": typed | oip | v1,
        "components": {
            "securitySchemes": SECURITY_SCHEMES,
            "schemas": draft.schemas,
            "responses": shared_responses(),
        },
    }


def _description(api: ModelApi) -> str:
    parts = [api.description.strip()] if api.description.strip() else []
    served = f"Version {api.version} of model `{api.name}` in project `{api.project}`"
    parts.append(f"{served}, made with {api.framework}." if api.framework else f"{served}.")
    if not api.signature.default_method:
        names = ", ".join(f"`{api.name}.{method.name}`" for method in api.signature.methods)
        parts.append(f"It has no default method: OIP and V1 know it as {names}.")
    if api.limits:
        lines = "\n".join(f"- {line}" for line in api.limits)
        parts.append(f"Requests it takes at most; beyond that it answers 429:\n\n{lines}")
    return "\n\n".join(parts)
