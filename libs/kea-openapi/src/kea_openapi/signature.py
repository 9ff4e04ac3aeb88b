"""The signature of a model: its methods, and what each takes and gives.

A signature is the single source for validation, OpenAPI, examples and the runtime's conversions. It has two spellings:
these dataclasses with their plain JSON form (the model's manifest, read by the runtime, which knows no protobuf), and
`kea.registry.v1.Signature` (the API). This module needs the standard library only, because it runs beside models.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

METHOD_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,62}$")
"""A method is a Python identifier without leading underscore; it is part of the URL."""

MAX_METHODS = 64
MAX_FIELDS = 4096
MAX_RANK = 32
MAX_FIELD_NAME = 256
MAX_BATCH_ROWS = 4096


class Datatype(enum.StrEnum):
    """Element types of the Open Inference Protocol, by their names on the wire."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


class SignatureError(ValueError):
    """A signature that cannot be used.

    Args:
        where: dotted path of the offending part, for example `methods.predict.inputs.age`.
        problem: what was found there and what was expected.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


@dataclass(frozen=True, slots=True)
class TensorType:
    """An n-dimensional array: row-major, one element type."""

    datatype: Datatype
    shape: tuple[int, ...]
    """Extent per dimension; -1 where it may vary. The empty shape is a scalar."""


@dataclass(frozen=True, slots=True)
class Field:
    """One named input or output. Exactly one of `tensor` and `json_schema` is set."""

    name: str
    tensor: TensorType | None = None
    json_schema: Mapping[str, Any] | None = None
    """JSON Schema 2020-12 of the value, self-contained (`$ref` only into its own `$defs`)."""
    description: str = ""
    required: bool = True
    """Whether a caller must give it. Outputs are always required."""
    default: Any = None
    """What stands in for an optional input that is not given, as JSON; None is JSON's null."""


@dataclass(frozen=True, slots=True)
class Example:
    """A call that works, by names: shown in the docs as it stands."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """One callable of a model."""

    name: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    description: str = ""
    table: bool = False
    """The inputs are the columns of one table (each of shape [-1]) and reach the model as one pandas DataFrame."""
    example: Example | None = None
    max_batch_rows: int = 0
    """Most rows of one call of the model that answers several callers. 0: as the framework allows; 1: none does."""

    @property
    def has_rows(self) -> bool:
        """Whether all that it takes and gives are tensors whose first extent varies."""
        fields = self.inputs + self.outputs
        return bool(self.inputs) and all(
            entry.tensor is not None and entry.tensor.shape[:1] == (-1,) for entry in fields
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """All methods of a model version."""

    methods: tuple[Method, ...]
    default_method: str = ""
    """The method that protocols without a method in the address (OIP, V1) call; empty when there is none."""
    incomplete: tuple[str, ...] = field(default=())
    """What could not be derived, one sentence each, starting with the dotted path of the part."""

    def method(self, name: str) -> Method | None:
        """Returns the method of that name, or None."""
        return next((method for method in self.methods if method.name == name), None)

    def validate(self) -> None:
        """Checks names, uniqueness, bounds and that every field has exactly one type.

        Raises:
            SignatureError: with the path of the first offending part.
        """
        if not self.methods:
            where = "methods"
            raise SignatureError(where, "is empty; a model needs at least one method")
        if len(self.methods) > MAX_METHODS:
            where = "methods"
            raise SignatureError(where, f"has {len(self.methods)} entries; at most {MAX_METHODS} are allowed")
        _unique("methods", [method.name for method in self.methods])
        for method in self.methods:
            where = f"methods.{method.name}"
            if not METHOD_NAME.match(method.name):
                raise SignatureError(where, f"name must match {METHOD_NAME.pattern}")
            _check_fields(f"{where}.inputs", method.inputs)
            _check_fields(f"{where}.outputs", method.outputs)
            if not 0 <= method.max_batch_rows <= MAX_BATCH_ROWS:
                place = f"{where}.max_batch_rows"
                raise SignatureError(place, f"is {method.max_batch_rows}; it must be 0 to {MAX_BATCH_ROWS}")
            if method.table and any(field.tensor is None or len(field.tensor.shape) != 1 for field in method.inputs):
                place = f"{where}.inputs"
                raise SignatureError(place, "columns of a table must be tensors of shape [-1]")
        if self.default_method and self.method(self.default_method) is None:
            where = "default_method"
            raise SignatureError(where, f"names {self.default_method!r}, which is not among the methods")


def _unique(where: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            place = f"{where}.{name}"
            raise SignatureError(place, "appears twice; names must be unique")
        seen.add(name)


def _check_fields(where: str, fields: Sequence[Field]) -> None:
    if len(fields) > MAX_FIELDS:
        raise SignatureError(where, f"has {len(fields)} entries; at most {MAX_FIELDS} are allowed")
    _unique(where, [entry.name for entry in fields])
    for entry in fields:
        place = f"{where}.{entry.name}"
        if not entry.name or len(entry.name) > MAX_FIELD_NAME:
            raise SignatureError(place, "name must have 1 to 256 characters")
        if (entry.tensor is None) == (entry.json_schema is None):
            raise SignatureError(place, "must have exactly one of tensor and json_schema")
        if entry.tensor is not None:
            if len(entry.tensor.shape) > MAX_RANK:
                raise SignatureError(place, f"has rank {len(entry.tensor.shape)}; at most {MAX_RANK} is allowed")
            if any(extent < -1 for extent in entry.tensor.shape):
                raise SignatureError(place, "extents must be -1 or not negative")


def to_json(signature: Signature) -> dict[str, Any]:
    """Returns the plain JSON form, which `from_json` reads back to an equal signature."""
    return {
        "methods": [_method_to_json(method) for method in signature.methods],
        "default_method": signature.default_method,
        "incomplete": list(signature.incomplete),
    }


def from_json(document: Mapping[str, Any]) -> Signature:
    """Reads the plain JSON form and validates it.

    Raises:
        SignatureError: the document is not a signature; the message says where.
    """
    try:
        signature = Signature(
            methods=tuple(_method_from_json(method) for method in document["methods"]),
            default_method=str(document.get("default_method", "")),
            incomplete=tuple(str(line) for line in document.get("incomplete", ())),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, SignatureError):
            raise
        where = "signature"
        raise SignatureError(where, f"is malformed: {error!r}") from error
    signature.validate()
    return signature


def _method_to_json(method: Method) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": method.name,
        "description": method.description,
        "table": method.table,
        "inputs": [_field_to_json(entry) for entry in method.inputs],
        "outputs": [_field_to_json(entry) for entry in method.outputs],
    }
    if method.example is not None:
        example: dict[str, Any] = {"inputs": dict(method.example.inputs)}
        if method.example.outputs is not None:
            example["outputs"] = dict(method.example.outputs)
        document["example"] = example
    if method.max_batch_rows:
        document["max_batch_rows"] = method.max_batch_rows
    return document


def _field_to_json(entry: Field) -> dict[str, Any]:
    document: dict[str, Any] = {"name": entry.name, "description": entry.description, "required": entry.required}
    if not entry.required:
        document["default"] = entry.default
    if entry.tensor is not None:
        document["tensor"] = {"datatype": entry.tensor.datatype.value, "shape": list(entry.tensor.shape)}
    if entry.json_schema is not None:
        document["json_schema"] = dict(entry.json_schema)
    return document


def _method_from_json(document: Mapping[str, Any]) -> Method:
    example = document.get("example")
    return Method(
        name=str(document["name"]),
        description=str(document.get("description", "")),
        table=bool(document.get("table", False)),
        inputs=tuple(_field_from_json(entry) for entry in document["inputs"]),
        outputs=tuple(_field_from_json(entry) for entry in document["outputs"]),
        example=None if example is None else Example(dict(example["inputs"]), _mapping_or_none(example.get("outputs"))),
        max_batch_rows=int(document.get("max_batch_rows", 0)),
    )


def _mapping_or_none(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def _field_from_json(document: Mapping[str, Any]) -> Field:
    tensor = document.get("tensor")
    schema = document.get("json_schema")
    return Field(
        name=str(document["name"]),
        description=str(document.get("description", "")),
        required=bool(document.get("required", True)),
        default=document.get("default"),
        tensor=None if tensor is None else _tensor_from_json(tensor),
        json_schema=_mapping_or_none(schema),
    )


def _tensor_from_json(document: Mapping[str, Any]) -> TensorType:
    return TensorType(Datatype(document["datatype"]), tuple(int(extent) for extent in document["shape"]))
