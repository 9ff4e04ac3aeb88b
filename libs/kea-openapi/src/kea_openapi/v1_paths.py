"""The V1 protocol (`instances` and `predictions`) in a model's document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kea_openapi.code_samples import curl
from kea_openapi.examples import MethodExample
from kea_openapi.model_draft import Draft, Json, pascal
from kea_openapi.model_errors import errors
from kea_openapi.operation import GENERATED, RECORDED, json_response, request_body
from kea_openapi.signature import Field, Method, TensorType

TAG = "V1"
TAG_DESCRIPTION = "Rows in `instances`, results in `predictions`, as TensorFlow Serving and KServe V1 have it."


def v1_paths(draft: Draft, method: Method, example: MethodExample) -> Json:
    """Returns the path of one method."""
    api = draft.api
    path = f"{api.prefix}/v1/models/{api.address(method)}:predict"
    name = pascal(method.name)
    request = draft.add_schema(f"{name}V1Request", _request_schema(draft, method))
    response = draft.add_schema(f"{name}V1Response", _response_schema(draft, method))
    body = None if example.inputs is None else _request(method, example.inputs)
    answer = None if body is None or example.outputs is None else _response(method, body, example.outputs)
    note = "" if body is None else GENERATED if example.generated else RECORDED
    operation: Json = {
        "tags": [TAG],
        "operationId": draft.operation_id(f"{method.name}_v1_predict"),
        "summary": f"Call {method.name} with rows",
        "requestBody": request_body(request, body, note),
        "responses": {
            "200": json_response("The predictions.", response, answer, RECORDED if answer else ""),
            **errors(),
        },
    }
    if body is not None:
        operation["x-codeSamples"] = [curl(api, path, body)]
    return {path: {"post": operation}}


def _takes_batches(method: Method) -> bool:
    """Returns whether rows make one batch: every input is a tensor whose first extent varies."""
    return bool(method.inputs) and all(_row_of(field) is not field for field in method.inputs)


def _row_of(field: Field) -> Field:
    """Returns the field for one row of a batch, or the field itself where it takes none."""
    tensor = field.tensor
    if tensor is None or not tensor.shape or tensor.shape[0] != -1:
        return field
    return replace(field, tensor=TensorType(tensor.datatype, tensor.shape[1:]))


def _request_schema(draft: Draft, method: Method) -> Json:
    name = pascal(method.name)
    rows = tuple(_row_of(field) for field in method.inputs) if _takes_batches(method) else method.inputs
    if len(rows) == 1:
        row = draft.property_schema(f"{name}Row", rows[0])
    else:
        row = draft.object_schema(f"{name}Row", rows, f"One row of inputs of `{method.name}`.")
    columns, _ = draft.typed[method.name]
    return {
        "type": "object",
        "properties": {
            "instances": {"type": "array", "description": "An entry per row.", "items": row},
            "inputs": {"description": "What the typed call takes.", **columns},
        },
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    }


def _response_schema(draft: Draft, method: Method) -> Json:
    """Returns the schema: rows where each output has one per instance, else the outputs as they are."""
    name = pascal(method.name)
    if len(method.outputs) == 1:
        whole = draft.property_schema(f"{name}Predictions", method.outputs[0])
    else:
        _, whole = draft.typed[method.name]
    rows = [_row_of(field) for field in method.outputs]
    choices: list[Json] = [{"type": "array", "items": whole}, whole]
    if len(rows) > 1 and all(row is not field for row, field in zip(rows, method.outputs, strict=True)):
        row = draft.object_schema(f"{name}PredictionRow", rows, f"One row of outputs of `{method.name}`.")
        choices = [{"type": "array", "items": row}, whole]
    description = "An entry per row; for `inputs`, the outputs as a whole."
    return {
        "type": "object",
        "properties": {"predictions": {"description": description, "anyOf": choices}},
        "required": ["predictions"],
    }


def _request(method: Method, values: Mapping[str, Any]) -> Json:
    if not _takes_batches(method):
        if len(method.inputs) == 1 and method.inputs[0].name in values:
            value = values[method.inputs[0].name]
            # An object with just that key would be taken for the named form, so that form it gets.
            return {"instances": [dict(values) if isinstance(value, dict) else value]}
        return {"instances": [dict(values)]}
    if len(method.inputs) == 1:
        return {"instances": next(iter(values.values()), [])}
    if len({len(column) for column in values.values()}) != 1:
        return {"inputs": dict(values)}
    return {"instances": _rows(values)}


def _response(method: Method, request: Mapping[str, Any], outputs: Mapping[str, Any]) -> Json:
    whole = outputs[method.outputs[0].name] if len(method.outputs) == 1 else dict(outputs)
    instances: Sequence[Any] | None = request.get("instances")
    if instances is None:
        return {"predictions": whole}
    if not _takes_batches(method):
        return {"predictions": [whole]}
    same = all(isinstance(column, list) and len(column) == len(instances) for column in outputs.values())
    return {"predictions": _rows(outputs) if len(method.outputs) > 1 and same else whole}


def _rows(columns: Mapping[str, Any]) -> list[Json]:
    count = len(next(iter(columns.values())))
    return [{name: column[index] for name, column in columns.items()} for index in range(count)]
