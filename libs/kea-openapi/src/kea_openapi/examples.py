"""Example values: those the signature has, else values made from the types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kea_openapi.oip import oip_entry
from kea_openapi.signature import Datatype, Field, Method, TensorType

MAX_ELEMENTS = 2048
"""Most elements of a tensor written out in full. Beyond it, an example would drown the document it is in."""

_MAX_DEPTH = 32
_ELEMENTS: Mapping[Datatype, Any] = {Datatype.BOOL: True, Datatype.BYTES: "text"}
_STRINGS: Mapping[str, str] = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "PT1M",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "email": "someone@example.com",
    "uri": "https://example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}


class NoExampleError(Exception):
    """No value could be made; the text says why."""


@dataclass(frozen=True, slots=True)
class MethodExample:
    """A call to show, and where it comes from."""

    inputs: Mapping[str, Any] | None
    """None where none could be made."""
    outputs: Mapping[str, Any] | None
    generated: bool
    problem: str = ""
    """Why there is none, or why the signature's own is not shown."""


def method_example(method: Method) -> MethodExample:
    """Returns the call the signature shows, or one made from the types of the required inputs."""
    problem = ""
    if method.example is not None:
        outputs = method.example.outputs
        problem = (
            _misfit(method.inputs, method.example.inputs)
            or (outputs is not None and _misfit(method.outputs, outputs))
            or ""
        )
        if not problem:
            return MethodExample(method.example.inputs, outputs, generated=False)
        problem = f"the signature's example does not fit it ({problem})"
    try:
        values = example_values(field for field in method.inputs if field.required)
    except NoExampleError as error:
        return MethodExample(None, None, generated=True, problem=problem or str(error))
    return MethodExample(values, None, generated=True, problem=problem)


def _misfit(fields: Sequence[Field], values: Mapping[str, Any]) -> str:
    """Returns why values are none of these fields', or nothing. Only what would break the document is looked at."""
    known = {field.name: field for field in fields}
    for field in fields:
        if field.required and field.name not in values:
            return f"{field.name} is missing"
    for name, value in values.items():
        if name not in known:
            return f"{name} is unknown"
        try:
            oip_entry(known[name], value)
        except ValueError as error:
            return f"{name} {error}"
    return ""


def example_values(fields: Iterable[Field]) -> dict[str, Any]:
    """Returns a value for each field.

    Raises:
        NoExampleError: a field's type admits none that could be found.
    """
    values: dict[str, Any] = {}
    for field in fields:
        try:
            values[field.name] = example_value(field)
        except NoExampleError as error:
            problem = f"{field.name}: {error}"
            raise NoExampleError(problem) from error
    return values


def example_value(field: Field) -> Any:
    """Returns a value of the field's type.

    Raises:
        NoExampleError: none could be found.
    """
    if field.tensor is not None:
        return _tensor(field.tensor)
    schema = field.json_schema or {}
    try:
        return _Maker(schema).make(schema, 0)
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # keywords with values of the wrong type
        problem = "the schema is malformed"
        raise NoExampleError(problem) from error


def _tensor(tensor: TensorType) -> Any:
    extents = [1 if extent < 0 else extent for extent in tensor.shape]
    count = math.prod(extents)
    if count > MAX_ELEMENTS:
        problem = f"a tensor of shape {extents} has {count} elements, too many to write out"
        raise NoExampleError(problem)
    value = _ELEMENTS.get(tensor.datatype, 0.5 if tensor.datatype.startswith("FP") else 1)
    for extent in reversed(extents):
        value = [value] * extent
    return value


class _Maker:
    """Makes a value of one self-contained schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MAX_ELEMENTS

    def make(self, schema: Any, depth: int) -> Any:
        self._left -= 1
        if depth > _MAX_DEPTH or self._left < 0:
            problem = "the schema is recursive or too large"
            raise NoExampleError(problem)
        if not isinstance(schema, Mapping):
            if schema is False:
                problem = "the schema allows no value"
                raise NoExampleError(problem)
            return {}
        known = cast("Mapping[str, Any]", schema)
        if known.get("examples"):
            return known["examples"][0]
        for key in ("const", "default", "example"):
            if key in known:
                return known[key]
        if known.get("enum"):
            return known["enum"][0]
        return self._composed(known, depth)

    def _composed(self, schema: Mapping[str, Any], depth: int) -> Any:
        if "$ref" in schema:
            return self.make(self._target(str(schema["$ref"])), depth + 1)
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self._first_of(schema[key], depth)
        if schema.get("allOf"):
            merged: dict[str, Any] = {}
            for part in schema["allOf"]:
                value = self.make(part, depth + 1)
                if not isinstance(value, dict):
                    return value
                merged |= cast("dict[str, Any]", value)
            return merged
        return self._typed(schema, depth)

    def _first_of(self, choices: list[Any], depth: int) -> Any:
        for choice in choices[:-1]:
            try:
                return self.make(choice, depth + 1)
            except NoExampleError:
                continue
        return self.make(choices[-1], depth + 1)

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = cast("list[Any]", kind)[0] if kind else None
        made: Any = {}
        match kind:
            case "array":
                made = self._array(schema, depth)
            case "string":
                made = _string(schema)
            case "integer" | "number":
                made = _number(schema, integral=kind == "integer")
            case "boolean":
                made = True
            case "null":
                made = None
            case _:
                if kind == "object" or "properties" in schema:
                    made = self._object(schema, depth)
        return made

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = [str(name) for name in schema.get("required", ())]
        made = {name: self.make(properties.get(name, True), depth + 1) for name in required}
        for name, entry in properties.items():
            if name not in made:
                try:
                    made[name] = self.make(entry, depth + 1)
                except NoExampleError:  # it is optional, so the example goes without it
                    continue
        if schema.get("minProperties", 0) > len(made):
            made["key"] = self.make(schema.get("additionalProperties", True), depth + 1)
        elif not properties and isinstance(schema.get("additionalProperties"), Mapping):
            made["key"] = self.make(schema["additionalProperties"], depth + 1)
        return made

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        made = [self.make(entry, depth + 1) for entry in schema.get("prefixItems", ())]
        wanted = int(schema.get("minItems", 1 if "items" in schema and not made else 0))
        if wanted > MAX_ELEMENTS:
            problem = f"an array of {wanted} items is too long to write out"
            raise NoExampleError(problem)
        while len(made) < min(wanted, int(schema.get("maxItems", wanted))):
            made.append(self.make(schema.get("items", True), depth + 1))
        return made

    def _target(self, reference: str) -> Any:
        current: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(current, Mapping) or name not in current:
                problem = f"{reference} leads nowhere"
                raise NoExampleError(problem)
            current = cast("Mapping[str, Any]", current)[name]
        return current


def _string(schema: Mapping[str, Any]) -> str:
    if "pattern" in schema:
        problem = f"a string that matches {schema['pattern']!r} cannot be made up"
        raise NoExampleError(problem)
    text = _STRINGS.get(str(schema.get("format", "")), "text")
    shortest = int(schema.get("minLength", 0))
    if shortest > MAX_ELEMENTS:
        problem = f"a string of {shortest} characters is too long to write out"
        raise NoExampleError(problem)
    return text.ljust(shortest, "x")[: int(schema.get("maxLength", MAX_ELEMENTS))]


def _number(schema: Mapping[str, Any], *, integral: bool) -> float:
    low = schema.get("minimum", -math.inf)
    high = schema.get("maximum", math.inf)
    if "exclusiveMinimum" in schema:
        low = max(low, schema["exclusiveMinimum"] + (1 if integral else 1e-6))
    if "exclusiveMaximum" in schema:
        high = min(high, schema["exclusiveMaximum"] - (1 if integral else 1e-6))
    step = schema.get("multipleOf", 1 if integral else 0)
    value = min(max(1 if integral else 0.5, low), high)
    if step:
        value = math.ceil(value / step) * step
    return int(value) if integral else float(value)
