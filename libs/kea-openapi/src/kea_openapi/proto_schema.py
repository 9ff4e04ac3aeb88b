"""JSON Schema of protobuf messages, as proto3's JSON mapping has them: camelCase names, 64-bit integers as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from kea.common.v1 import options_pb2

from kea_openapi import proto_options
from kea_openapi.proto_index import Message, ProtoIndex

Json = dict[str, Any]
FieldProto = descriptor_pb2.FieldDescriptorProto

_SCALARS: Mapping[int, Json] = {
    FieldProto.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldProto.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldProto.TYPE_INT64: {"type": "string", "format": "int64"},
    FieldProto.TYPE_SINT64: {"type": "string", "format": "int64"},
    FieldProto.TYPE_SFIXED64: {"type": "string", "format": "int64"},
    FieldProto.TYPE_UINT64: {"type": "string", "format": "uint64"},
    FieldProto.TYPE_FIXED64: {"type": "string", "format": "uint64"},
    FieldProto.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldProto.TYPE_SINT32: {"type": "integer", "format": "int32"},
    FieldProto.TYPE_SFIXED32: {"type": "integer", "format": "int32"},
    FieldProto.TYPE_UINT32: {"type": "integer", "format": "int64", "minimum": 0},
    FieldProto.TYPE_FIXED32: {"type": "integer", "format": "int64", "minimum": 0},
    FieldProto.TYPE_BOOL: {"type": "boolean"},
    FieldProto.TYPE_STRING: {"type": "string"},
    FieldProto.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
_WELL_KNOWN: Mapping[str, Json] = {
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string", "description": "Type URL of the message."}},
        "required": ["@type"],
        "additionalProperties": True,
    },
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$",
        "examples": ["60s"],
    },
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.FieldMask": {
        "type": "string",
        "description": "Names of fields in camelCase, separated by commas.",
    },
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Value": {},
}


class ProtoSchemas:
    """Schemas of the messages that are asked for, and of those they are made of, by readable unique names."""

    def __init__(self, index: ProtoIndex) -> None:
        self._index = index
        self._names = _readable_names(index)
        self.schemas: Json = {}

    def message(self, full: str) -> Json:
        """Returns a reference to a message's schema, or the schema itself where the type is a well-known one."""
        if full in _WELL_KNOWN:
            return dict(_WELL_KNOWN[full])
        name = self._names[full]
        if name not in self.schemas:
            self.schemas[name] = {}  # taken, so that messages may contain themselves
            self.schemas[name] = self.object(full, self._index.messages[full].field, self._index.comment(full))
        return {"$ref": f"#/components/schemas/{name}"}

    def object(self, full: str, fields: Iterable[FieldProto], description: str) -> Json:
        """Returns the schema of an object with some of a message's fields."""
        known = list(fields)
        schema: Json = {"type": "object"}
        if description:
            schema["description"] = description
        schema["properties"] = {entry.json_name: self.field(full, entry) for entry in known}
        required = [entry.json_name for entry in known if is_required(entry)]
        if required:
            schema["required"] = required
        excluded = list(_excluded_pairs(self._index.messages[full], known))
        if excluded:
            schema["not"] = {"anyOf": excluded}
        return schema

    def field(self, message: str, entry: FieldProto) -> Json:
        """Returns the schema of one field, with its comment, bounds and behaviour."""
        bounds = proto_options.bounds(entry)
        value = self._value(entry)
        if value is not None:  # a map
            schema: Json = {"type": "object", "additionalProperties": value}
            if bounds.max_items:
                schema["maxProperties"] = bounds.max_items
        elif entry.label == FieldProto.LABEL_REPEATED:
            schema = {"type": "array", "items": _bounded(self._single(entry), bounds)}
            if bounds.max_items:
                schema["maxItems"] = bounds.max_items
        else:
            schema = _bounded(self._single(entry), bounds)
        comment = self._index.comment(f"{message}.{entry.name}")
        range_note = _range_note(schema, bounds)
        if comment or range_note:
            schema["description"] = "\n\n".join(filter(None, (comment, range_note)))
        behaviours = proto_options.behaviours(entry)
        if behaviours & {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}:
            schema["readOnly"] = True
        if field_behavior_pb2.INPUT_ONLY in behaviours:
            schema["writeOnly"] = True
        return schema

    def _single(self, entry: FieldProto) -> Json:
        full = entry.type_name.removeprefix(".")
        if entry.type == FieldProto.TYPE_MESSAGE:
            return self.message(full)
        if entry.type == FieldProto.TYPE_ENUM:
            return self._enum(full)
        return dict(_SCALARS[entry.type])

    def _enum(self, full: str) -> Json:
        name = self._names[full]
        if name not in self.schemas:
            values = [value.name for value in self._index.enums[full].value]
            lines = [f"- `{value}`: {self._index.comment(f'{full}.{value}')}" for value in values]
            description = "\n".join([self._index.comment(full), "", *lines])
            self.schemas[name] = {"type": "string", "enum": values, "description": description}
        return {"$ref": f"#/components/schemas/{name}"}

    def _value(self, entry: FieldProto) -> Json | None:
        """Returns the schema of a map's values, or None where the field is no map."""
        nested = self._index.messages.get(entry.type_name.removeprefix("."))
        if nested is None or not nested.options.map_entry:
            return None
        return self._single(nested.field[1])


def is_required(entry: FieldProto) -> bool:
    """Returns whether callers must set the field."""
    return field_behavior_pb2.REQUIRED in proto_options.behaviours(entry)


def _bounded(schema: Json, bounds: options_pb2.FieldBounds) -> Json:
    kind = schema.get("type")
    if kind == "string" and "contentEncoding" not in schema and schema.get("format") not in {"int64", "uint64"}:
        if bounds.min_length:
            schema["minLength"] = bounds.min_length
        if bounds.max_length:
            schema["maxLength"] = bounds.max_length
        if bounds.pattern:
            schema["pattern"] = f"^(?:{bounds.pattern})$"
    if kind in {"integer", "number"}:
        if bounds.HasField("minimum"):
            schema["minimum"] = bounds.minimum
        if bounds.HasField("maximum"):
            schema["maximum"] = bounds.maximum
    return schema


def _range_note(schema: Json, bounds: options_pb2.FieldBounds) -> str:
    """Returns the range in words where the number travels as text, which JSON Schema cannot bound."""
    if schema.get("format") not in {"int64", "uint64"} or schema.get("type") != "string":
        return ""
    low = f"at least {bounds.minimum}" if bounds.HasField("minimum") else ""
    high = f"at most {bounds.maximum}" if bounds.HasField("maximum") else ""
    text = ", ".join(filter(None, (low, high)))
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _excluded_pairs(message: Message, known: list[FieldProto]) -> Iterable[Json]:
    """Yields the pairs of fields of which at most one may be set: those of a oneof."""
    groups: dict[int, list[str]] = {}
    for entry in known:
        if entry.HasField("oneof_index") and not entry.proto3_optional:
            groups.setdefault(entry.oneof_index, []).append(entry.json_name)
    for number in range(len(message.oneof_decl)):
        for pair in combinations(groups.get(number, []), 2):
            yield {"required": list(pair)}


def _readable_names(index: ProtoIndex) -> dict[str, str]:
    """Returns a name per message and enum: its own, with the package's service before it where two would be alike."""
    short = {full: full.removeprefix(f"{package}.").replace(".", "") for full, package in index.packages.items()}
    counts: dict[str, int] = {}
    for name in short.values():
        counts[name] = counts.get(name, 0) + 1
    return {
        full: name if counts[name] == 1 else f"{_service_of(index.packages[full])}{name}"
        for full, name in short.items()
    }


def _service_of(package: str) -> str:
    words = [word for word in package.split(".") if not (word[0] == "v" and word[1:].isdecimal())]
    return words[-1].capitalize()
