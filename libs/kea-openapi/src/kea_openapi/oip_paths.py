"""The Open Inference Protocol (V2) over REST in a model's document."""

from __future__ import annotations

import math

from kea_openapi.code_samples import curl, triton_client
from kea_openapi.examples import MethodExample
from kea_openapi.model_draft import Draft, Json, pascal
from kea_openapi.model_errors import METADATA_STATUSES, errors
from kea_openapi.oip import OipTensor, oip_entries, oip_tensor
from kea_openapi.operation import GENERATED, RECORDED, json_response, request_body
from kea_openapi.schema import element_schema
from kea_openapi.signature import Field, Method

TAG = "Open Inference Protocol"
TAG_DESCRIPTION = (
    "Tensors by name, as in the V2 protocol of KServe, Triton and MLServer. The same is served over gRPC as"
    " `inference.GRPCInferenceService` on the same port."
)

_PARAMETERS: Json = {
    "type": "object",
    "description": "Parameters of the protocol.",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_READY: Json = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}},
    "required": ["name", "ready"],
}


def oip_paths(draft: Draft, method: Method, example: MethodExample) -> Json:
    """Returns the paths of one method: infer, metadata and readiness."""
    api = draft.api
    name = api.address(method)
    path = f"{api.prefix}/v2/models/{name}"
    infer = _infer(draft, method, example, path)
    metadata: Json = {
        "name": name,
        "versions": [str(api.version)],
        "platform": api.framework or "python",
        "inputs": [_metadata_entry(oip_tensor(field)) for field in method.inputs],
        "outputs": [_metadata_entry(oip_tensor(field)) for field in method.outputs],
    }
    described: Json = {
        "tags": [TAG],
        "operationId": draft.operation_id(f"{method.name}_oip_metadata"),
        "summary": f"Tensors that {method.name} takes and gives",
        "responses": {
            "200": json_response("The metadata.", _metadata_schema(draft), metadata, "The served version."),
            **errors(METADATA_STATUSES),
        },
        "x-codeSamples": [curl(api, path, verb="GET")],
    }
    ready: Json = {
        "tags": [TAG],
        "operationId": draft.operation_id(f"{method.name}_oip_ready"),
        "summary": "Whether the model is ready",
        "responses": {
            "200": json_response("It is ready.", _READY, {"name": name, "ready": True}, "Ready."),
            **errors(METADATA_STATUSES),
        },
        "x-codeSamples": [curl(api, f"{path}/ready", verb="GET")],
    }
    return {f"{path}/infer": {"post": infer}, path: {"get": described}, f"{path}/ready": {"get": ready}}


def _infer(draft: Draft, method: Method, example: MethodExample, path: str) -> Json:
    api = draft.api
    name = pascal(method.name)
    request = draft.add_schema(f"{name}InferRequest", _request_schema(method))
    response = draft.add_schema(f"{name}InferResponse", _response_schema(method))
    samples = [triton_client(api, method, example)]
    body = answer = None
    if example.inputs is not None:
        body = {"inputs": oip_entries(method.inputs, example.inputs)}
        samples.insert(0, curl(api, f"{path}/infer", body))
    if example.outputs is not None:
        outputs = oip_entries(method.outputs, example.outputs)
        answer = {"model_name": api.address(method), "model_version": str(api.version), "outputs": outputs}
    note = "" if body is None else GENERATED if example.generated else RECORDED
    return {
        "tags": [TAG],
        "operationId": draft.operation_id(f"{method.name}_oip_infer"),
        "summary": f"Call {method.name} with tensors",
        "description": "The binary tensor extension is understood in both directions. NaN and infinity need it.",
        "requestBody": request_body(request, body, note),
        "responses": {
            "200": json_response("The outputs as tensors.", response, answer, RECORDED if answer else ""),
            **errors(),
        },
        "x-codeSamples": samples,
    }


def _request_schema(method: Method) -> Json:
    wanted: Json = {
        "type": "array",
        "description": "Outputs to answer with, in this order. Left out: all.",
        "items": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": [field.name for field in method.outputs]},
                "parameters": _PARAMETERS,
            },
            "required": ["name"],
        },
    }
    properties: Json = {
        "id": {"type": "string", "description": "Comes back in the answer."},
        "parameters": _PARAMETERS,
        "inputs": _tensors(method.inputs, "The inputs, in any order.", sum(field.required for field in method.inputs)),
    }
    if method.outputs:
        properties["outputs"] = wanted
    return {"type": "object", "properties": properties, "required": ["inputs"]}


def _response_schema(method: Method) -> Json:
    return {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "outputs": _tensors(method.outputs, "The outputs.", 0),
        },
        "required": ["model_name", "outputs"],
    }


def _tensors(fields: tuple[Field, ...], description: str, fewest: int) -> Json:
    kinds = [_tensor_entry(field) for field in fields]
    bounds: Json = {"minItems": fewest, "maxItems": len(kinds)}
    if not kinds:
        return {"type": "array", "description": description, **bounds}
    items = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {"type": "array", "description": description, "items": items, **bounds}


def _tensor_entry(field: Field) -> Json:
    wire = oip_tensor(field)
    data: Json = {"type": "array", "description": "The elements, row-major: flat, or nested as the shape says."}
    if wire.json_text:
        data["description"] = "One string: the value as JSON text."
        data |= {"items": {"type": "string"}, "minItems": 1, "maxItems": 1}
    elif len(wire.tensor.shape) < 2:  # noqa: PLR2004 - flat and nested are the same thing
        count = math.prod(wire.tensor.shape)
        data |= {"items": element_schema(wire.tensor.datatype)}
        data |= {"minItems": count, "maxItems": count} if count >= 0 else {}
    schema: Json = {
        "type": "object",
        "title": field.name,
        "properties": {
            "name": {"const": field.name},
            "shape": _shape_schema(wire),
            "datatype": {"const": wire.tensor.datatype.value},
            "parameters": _PARAMETERS,
            "data": data,
        },
        "required": ["name", "shape", "datatype"],
    }
    if field.description:
        schema["description"] = field.description
    return schema


def _shape_schema(wire: OipTensor) -> Json:
    extents = list(wire.tensor.shape)
    text = "Extent per dimension: " + str(extents).replace("-1", "any") + "."
    items = {"type": "integer", "minimum": 0}
    return {"type": "array", "description": text, "items": items, "minItems": len(extents), "maxItems": len(extents)}


def _metadata_entry(wire: OipTensor) -> Json:
    return {"name": wire.name, "datatype": wire.tensor.datatype.value, "shape": list(wire.tensor.shape)}


def _metadata_schema(draft: Draft) -> Json:
    """Returns the reference to the schema that all methods' metadata share."""
    if "ModelMetadata" not in draft.schemas:
        entry: Json = {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "datatype": {"type": "string"},
                "shape": {"type": "array", "items": {"type": "integer"}, "description": "-1: any extent."},
            },
            "required": ["name", "datatype", "shape"],
        }
        properties: Json = {
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}},
            "platform": {"type": "string"},
            "inputs": {"type": "array", "items": entry},
            "outputs": {"type": "array", "items": entry},
        }
        required = ["name", "platform", "inputs", "outputs"]
        return draft.add_schema("ModelMetadata", {"type": "object", "properties": properties, "required": required})
    return {"$ref": "#/components/schemas/ModelMetadata"}
