"""Typed JSON in a model's document: `POST /models/{m}/{method}` and `:validate`."""

from __future__ import annotations

from kea_openapi.code_samples import curl, kea_client, triton_client
from kea_openapi.examples import MethodExample
from kea_openapi.model_draft import Draft, Json, pascal
from kea_openapi.model_errors import problems
from kea_openapi.operation import GENERATED, RECORDED, json_response, request_body, summary_of
from kea_openapi.signature import Method

TAG = "Typed JSON"
TAG_DESCRIPTION = "A property per input and per output, by name. The natural choice for a new client."

_VALIDITY: Json = {
    "type": "object",
    "properties": {"valid": {"const": True, "description": "The request fits; the model was not called."}},
    "required": ["valid"],
}


def typed_json_paths(draft: Draft, method: Method, example: MethodExample) -> Json:
    """Returns the paths of one method."""
    api = draft.api
    path = f"{api.prefix}/models/{api.name}/{method.name}"
    name = pascal(method.name)
    request = draft.object_schema(f"{name}Request", method.inputs, f"Inputs of `{method.name}`.")
    response = draft.object_schema(f"{name}Response", method.outputs, f"Outputs of `{method.name}`.")
    draft.typed[method.name] = (request, response)
    note = "" if example.inputs is None else GENERATED if example.generated else RECORDED
    answer = json_response("The model's outputs.", response, example.outputs, RECORDED if example.outputs else "")
    validity = json_response("The request is valid.", _VALIDITY, {"valid": True}, "It fits.")
    body = request_body(request, example.inputs, note)
    samples = [kea_client(api, method, example), triton_client(api, method, example)]
    call: Json = {
        "tags": [TAG],
        "operationId": draft.operation_id(method.name),
        "summary": summary_of(method.description, f"Call {method.name}"),
        "description": _description(method),
        "requestBody": body,
        "responses": {"200": answer, **problems(method, example)},
        "x-codeSamples": samples if example.inputs is None else [curl(api, path, example.inputs), *samples],
    }
    validate: Json = {
        "tags": [TAG],
        "operationId": draft.operation_id(f"{method.name}_validate"),
        "summary": f"Check a request of {method.name} without calling the model",
        "requestBody": body,
        "responses": {"200": validity, **problems(method, example)},
    }
    if example.inputs is not None:
        validate["x-codeSamples"] = [curl(api, f"{path}:validate", example.inputs)]
    return {path: {"post": call}, f"{path}:validate": {"post": validate}}


def _description(method: Method) -> str:
    parts = [method.description.strip()] if method.description.strip() else []
    if method.table:
        parts.append(
            "The inputs are the columns of one table: each is an array with a value per row, all equally long."
        )
    return "\n\n".join(parts) or f"Calls the model's method `{method.name}`."
