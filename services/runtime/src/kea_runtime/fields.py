"""The fields of a signature, compiled: each converts values between JSON, tensors and what the model takes and gives.

A field described by JSON Schema travels in OIP as a tensor too:

| schema | datatype | shape |
|---|---|---|
| `number` | FP64 | `[1]` (`[]` is accepted) |
| `integer` | INT64 | `[1]` |
| `string` | BYTES | `[1]` |
| `boolean` | BOOL | `[1]` |
| arrays of numbers or integers, of any depth | FP64 | `[-1, …]` |
| anything else | BYTES, holding JSON text | `[1]` |
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Protocol, cast

import numpy as np
import orjson
from kea_openapi.signature import Datatype, Field, TensorType

from kea_runtime.errors import (
    InvalidRequest,
    OutputInvalid,
    OutputNotRepresentable,
    Path,
    invalid,
)
from kea_runtime.json_schemas import JsonSchema
from kea_runtime.tensors import DTYPES, Array, TensorReader, check_shape

_TEXT = frozenset({str, bytes, np.str_, np.bytes_})
_SCALARS = {
    "number": Datatype.FP64,
    "integer": Datatype.INT64,
    "string": Datatype.BYTES,
    "boolean": Datatype.BOOL,
}
_PLAIN = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class ServedField(Protocol):
    """One input or output: what it is called, its OIP type, and its conversions."""

    name: str
    required: bool
    is_batch: bool
    """Whether it is a tensor with a variable first extent: rows."""
    reader: TensorReader
    """Reads the field's OIP tensor from JSON data."""

    def from_json(self, value: Any, path: Path) -> Any:
        """Returns what the model takes, from JSON. Raises InvalidRequest."""
        ...

    def from_tensor(self, array: Array, path: Path) -> Any:
        """Returns what the model takes, from a tensor of the field's OIP type. Raises InvalidRequest."""
        ...

    def from_model(self, value: Any) -> Any:
        """Returns what the model gave, as the signature has it. Raises OutputInvalid."""
        ...

    def to_json(self, value: Any) -> Any:
        """Returns what orjson can write. Raises OutputNotRepresentable."""
        ...

    def to_tensor(self, value: Any) -> Array:
        """Returns the tensor of the field's OIP type."""
        ...

    def tensor_to_json(self, array: Array) -> Any:
        """Returns what orjson can write for an OIP tensor: its elements in one row. Raises OutputNotRepresentable."""
        ...


class TensorField:
    """A field that is a tensor everywhere."""

    __slots__ = ("_dtype", "is_batch", "name", "reader", "required")

    def __init__(self, field: Field, tensor: TensorType) -> None:
        self.name = field.name
        self.required = field.required
        self.is_batch = tensor.shape[:1] == (-1,)
        self.reader = TensorReader(tensor)
        self._dtype = DTYPES[tensor.datatype]

    def from_json(self, value: Any, path: Path) -> Array:
        """Returns the array that nested lists stand for."""
        return self.reader.read(value, path)

    def from_tensor(self, array: Array, path: Path) -> Array:  # noqa: ARG002 - as the protocol has it
        """Returns the array as it is."""
        return array

    def from_model(self, value: Any) -> Array:
        """Returns the array in the declared element type; what would change a value is refused."""
        array = value if type(value) is np.ndarray else self._dense(value)
        if array.dtype != self._dtype or self._dtype.kind == "O":
            array = self._cast(array)
        if not check_shape(array.shape, self.reader.shape):
            message = f"output {self.name!r} has shape {list(array.shape)}, not {list(self.reader.shape)}"
            raise OutputInvalid(message)
        return array

    def to_json(self, value: Array) -> Any:
        """Returns an array that orjson writes by itself, or nested lists of text."""
        if self._dtype.kind == "O":
            return _text(value, self.name).tolist()
        if self._dtype.kind == "f" and not np.isfinite(value).all():
            message = (
                f"output {self.name!r} holds NaN or infinity, which JSON has not; ask for binary output or use gRPC"
            )
            raise OutputNotRepresentable(message)
        return np.ascontiguousarray(value) if value.ndim else value.item()

    def to_tensor(self, value: Array) -> Array:
        """Returns the array as it is."""
        return value

    def tensor_to_json(self, array: Array) -> Any:
        """Returns the elements, row-major."""
        return self.to_json(array.reshape(-1))

    def _dense(self, value: Any) -> Array:
        dense = value.toarray() if hasattr(value, "toarray") else value  # scipy's sparse matrices
        try:
            return np.asarray(dense)
        except ValueError as error:
            message = f"output {self.name!r} is ragged: {error}"
            raise OutputInvalid(message) from error

    def _cast(self, array: Array) -> Array:
        dtype = self._dtype
        if dtype.kind == "O":
            elements = array.astype(object)
            if not _TEXT.issuperset(map(type, elements.ravel().tolist())):
                message = f"output {self.name!r} has elements that are not text"
                raise OutputInvalid(message)
            return elements
        if {array.dtype.kind, dtype.kind} <= set("iu"):
            converted = array.astype(dtype)
            if (converted == array).all():
                return converted
        elif np.can_cast(array.dtype, dtype, "same_kind"):
            return array.astype(dtype)
        message = f"output {self.name!r} is {array.dtype}, which is no {self.reader.tensor.datatype.value}"
        raise OutputInvalid(message)


class SchemaField:
    """A field that is a JSON value, checked against its schema."""

    __slots__ = ("_integral", "_json_text", "_schema", "is_batch", "name", "reader", "required")

    def __init__(self, field: Field, schema: Mapping[str, Any]) -> None:
        self.name = field.name
        self.required = field.required
        self.is_batch = False
        self._schema = JsonSchema(schema)
        tensor, self._json_text, self._integral = _oip_type(schema)
        self.reader = TensorReader(tensor)

    def from_json(self, value: Any, path: Path) -> Any:
        """Returns the value, checked."""
        self._schema.check(value, path)
        return value

    def from_tensor(self, array: Array, path: Path) -> Any:
        """Returns the value that the tensor stands for, checked."""
        value: Any = array.tolist() if self.reader.shape != (1,) else array.item()
        if self._json_text:
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError as error:
                raise invalid(path, f"is not JSON: {error}", "one BYTES element holding JSON text") from error
        elif self._integral:
            value = _integers(value)
        return self.from_json(value, path)

    def from_model(self, value: Any) -> Any:
        """Returns the value as plain JSON, checked: callers may rely on the published schema."""
        try:
            plain = orjson.loads(orjson.dumps(value, default=_plain, option=_PLAIN))
            self._schema.check(plain, (self.name,))
        except (orjson.JSONEncodeError, InvalidRequest) as error:
            message = f"output {self.name!r} does not fit its schema: {error}"
            raise OutputInvalid(message) from error
        return plain

    def to_json(self, value: Any) -> Any:
        """Returns the value as it is."""
        return value

    def to_tensor(self, value: Any) -> Array:
        """Returns the tensor of the field's OIP type."""
        if self._json_text:
            value = orjson.dumps(value).decode()
        dtype = self.reader.dtype
        return np.array([value] if self.reader.shape == (1,) else value, dtype)

    def tensor_to_json(self, array: Array) -> Any:
        """Returns the elements, row-major."""
        return array.ravel().tolist()


def compile_field(field: Field) -> ServedField:
    """Returns the field ready to convert values."""
    if field.tensor is not None:
        return TensorField(field, field.tensor)
    return SchemaField(field, field.json_schema or {})


def _text(array: Array, name: str) -> Array:
    """Returns an object array of `str`: models may give bytes."""
    elements = array.ravel().tolist()
    try:
        plain = [str(element, "utf-8") if isinstance(element, bytes) else str(element) for element in elements]
    except UnicodeDecodeError as error:
        message = f"output {name!r} is not UTF-8, which JSON needs; ask for binary output or use gRPC"
        raise OutputNotRepresentable(message) from error
    result = np.empty(len(plain), object)
    result[:] = plain
    return result.reshape(array.shape)


def _plain(value: Any) -> Any:
    """Returns what orjson does not know by itself, as something that it knows."""
    if hasattr(value, "model_dump"):  # pydantic
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):  # arrays that are not contiguous, pandas Series
        return value.tolist()
    for kind, convert in _PLAIN_FORMS:
        if isinstance(value, kind):
            return convert(value)
    message = f"{type(value).__name__} has no JSON form"
    raise TypeError(message)


def _duration(value: timedelta) -> str:
    """Returns it in ISO 8601."""
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}PT{abs(value).total_seconds()}S"


_PLAIN_FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((bytes, bytearray), lambda value: base64.b64encode(value).decode()),
    ((set, frozenset, deque), list),
    (Decimal, float),
    (timedelta, _duration),
    (PurePath, str),
)
"""The JSON forms that the signatures of Python classes promise (`kea_openapi.type_hints`)."""


def _integers(value: Any) -> Any:
    if isinstance(value, list):
        return [_integers(entry) for entry in cast("list[Any]", value)]
    return int(value) if float(value).is_integer() else value


def _oip_type(schema: Mapping[str, Any]) -> tuple[TensorType, bool, bool]:
    """Returns the OIP type of a schema, whether it holds JSON text, and whether its elements are integers."""
    current = _resolved(schema, schema)
    rank = 0
    while current.get("type") == "array" and isinstance(current.get("items"), dict) and "prefixItems" not in current:
        current = _resolved(current["items"], schema)
        rank += 1
    name = current.get("type")
    scalar = _SCALARS.get(name) if isinstance(name, str) else None
    if scalar is not None and rank == 0:
        return TensorType(scalar, (1,)), False, False
    if rank and name in {"number", "integer"}:
        return TensorType(Datatype.FP64, (-1,) * rank), False, name == "integer"
    return TensorType(Datatype.BYTES, (1,)), True, False


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows one reference into the schema's own `$defs`; a chain of them is treated as an unknown type."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/$defs/"):
        return schema
    target = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return cast("Mapping[str, Any]", target)
