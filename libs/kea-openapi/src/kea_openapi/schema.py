"""JSON Schema 2020-12 of fields: what a value looks like in typed JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kea_openapi.signature import Datatype, Field, TensorType

Schema = dict[str, Any]

MAX_FP16 = 65504.0
MAX_FP32 = 3.4028234663852886e38

_INTEGERS: Mapping[Datatype, tuple[int, int]] = {
    Datatype.UINT8: (0, 2**8 - 1),
    Datatype.UINT16: (0, 2**16 - 1),
    Datatype.UINT32: (0, 2**32 - 1),
    Datatype.UINT64: (0, 2**64 - 1),
    Datatype.INT8: (-(2**7), 2**7 - 1),
    Datatype.INT16: (-(2**15), 2**15 - 1),
    Datatype.INT32: (-(2**31), 2**31 - 1),
    Datatype.INT64: (-(2**63), 2**63 - 1),
}
_FORMATS: Mapping[Datatype, str] = {
    Datatype.INT32: "int32",
    Datatype.INT64: "int64",
    Datatype.FP32: "float",
    Datatype.FP64: "double",
}
"""Formats of OpenAPI's registry; code generators choose number types by them."""


def element_schema(datatype: Datatype) -> Schema:
    """Returns the schema of one element of a tensor. Numbers are finite: JSON has neither NaN nor infinity."""
    schema: Schema
    match datatype:
        case Datatype.BOOL:
            schema = {"type": "boolean"}
        case Datatype.BYTES:
            schema = {"type": "string"}
        case Datatype.FP16:
            schema = {"type": "number", "minimum": -MAX_FP16, "maximum": MAX_FP16}
        case Datatype.FP32:
            schema = {"type": "number", "minimum": -MAX_FP32, "maximum": MAX_FP32}
        case Datatype.FP64:
            schema = {"type": "number"}
        case _:
            low, high = _INTEGERS[datatype]
            schema = {"type": "integer", "minimum": low, "maximum": high}
    if datatype in _FORMATS:
        schema["format"] = _FORMATS[datatype]
    return schema


def tensor_schema(tensor: TensorType) -> Schema:
    """Returns the schema of a tensor as nested arrays, row-major; a scalar is the bare element."""
    schema = element_schema(tensor.datatype)
    for extent in reversed(tensor.shape):
        bounds = {} if extent < 0 else {"minItems": extent, "maxItems": extent}
        schema = {"type": "array", "items": schema, **bounds}
    return schema


def field_schema(field: Field) -> Schema:
    """Returns the schema of a field's value, self-contained."""
    if field.tensor is not None:
        return tensor_schema(field.tensor)
    return dict(field.json_schema or {})


def describe_type(field: Field) -> str:
    """Returns a field's type in few words, for people."""
    if field.tensor is not None:
        shape = ", ".join("n" if extent < 0 else str(extent) for extent in field.tensor.shape)
        return f"{field.tensor.datatype.value} [{shape}]" if field.tensor.shape else field.tensor.datatype.value
    schema = field.json_schema or {}
    kind = schema.get("type", "any JSON")
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
