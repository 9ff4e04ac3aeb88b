"""Fields as tensors of the Open Inference Protocol, by the same rule as the runtime's.

A tensor is itself. Of the fields described by JSON Schema, `number` is FP64, `integer` INT64, `string` BYTES and
`boolean` BOOL, each of shape [1]; arrays of numbers are FP64 of as many dimensions; anything else is one BYTES element
that holds JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from kea_openapi.signature import Datatype, Field, TensorType

_SCALARS = {
    "number": Datatype.FP64,
    "integer": Datatype.INT64,
    "string": Datatype.BYTES,
    "boolean": Datatype.BOOL,
}
_LOCAL = "#/$defs/"


@dataclass(frozen=True, slots=True)
class OipTensor:
    """A field's type on the wire of the Open Inference Protocol."""

    name: str
    tensor: TensorType
    json_text: bool = False
    """The one BYTES element holds the value as JSON text."""


def oip_tensor(field: Field) -> OipTensor:
    """Returns what a field is in the Open Inference Protocol."""
    if field.tensor is not None:
        return OipTensor(field.name, field.tensor)
    tensor = _of_schema(field.json_schema or {})
    return OipTensor(field.name, tensor or TensorType(Datatype.BYTES, (1,)), json_text=tensor is None)


def oip_entry(field: Field, value: Any) -> dict[str, Any]:
    """Returns a JSON value as an entry of `inputs` or `outputs`, its data flat and row-major.

    Raises:
        ValueError: the value is not of the field's type.
    """
    wire = oip_tensor(field)
    if wire.json_text:
        data, shape = [json.dumps(value, ensure_ascii=False)], [1]
    elif wire.tensor.shape == (1,) and not isinstance(value, list):
        data, shape = [value], [1]
    else:
        data, shape = flatten(value, len(wire.tensor.shape))
    return {"name": field.name, "shape": shape, "datatype": wire.tensor.datatype.value, "data": data}


def oip_entries(fields: Iterable[Field], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the values there are, as entries, in the fields' order."""
    return [oip_entry(field, values[field.name]) for field in fields if field.name in values]


def flatten(value: Any, rank: int) -> tuple[list[Any], list[int]]:
    """Returns nested lists as one list, and their extents.

    Raises:
        ValueError: they are not nested that deep, or ragged.
    """
    level: list[Any] = [value]
    shape: list[int] = []
    for depth in range(rank):
        if not all(isinstance(part, list) for part in level):
            problem = f"is not nested {rank} deep, but {depth}"
            raise ValueError(problem)
        lengths = {len(part) for part in level}
        if len(lengths) > 1:
            problem = f"is ragged at depth {depth}"
            raise ValueError(problem)
        shape.append(lengths.pop() if lengths else 0)
        level = [entry for part in level for entry in part]
    return level, shape


def _of_schema(schema: Mapping[str, Any]) -> TensorType | None:
    current = _resolved(schema, schema)
    rank = 0
    while current.get("type") == "array" and isinstance(current.get("items"), dict) and "prefixItems" not in current:
        current = _resolved(current["items"], schema)
        rank += 1
    name = current.get("type")
    scalar = _SCALARS.get(name) if isinstance(name, str) else None
    if rank == 0:
        return None if scalar is None else TensorType(scalar, (1,))
    return TensorType(Datatype.FP64, (-1,) * rank) if name in {"number", "integer"} else None


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows one reference into the schema's own `$defs`."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith(_LOCAL):
        return schema
    return cast("Mapping[str, Any]", root.get("$defs", {}).get(reference.removeprefix(_LOCAL), {}))
