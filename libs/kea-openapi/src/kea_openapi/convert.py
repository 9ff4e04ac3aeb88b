"""Signatures between the API's protobuf message and the plain dataclasses.

The message keeps JSON numbers as doubles, as protobuf's `Struct` does. Whole numbers come back as integers; integers
beyond 2**53 come back as the nearest double, which is what any JSON reader makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2
from kea.registry.v1 import signature_pb2

from kea_openapi.signature import (
    Datatype,
    Example,
    Field,
    Method,
    Signature,
    SignatureError,
    TensorType,
)

_PREFIX = "DATATYPE_"


def to_proto(signature: Signature) -> signature_pb2.Signature:
    """Returns the message that `from_proto` reads back to an equal signature."""
    return signature_pb2.Signature(
        methods=[_method_to_proto(method) for method in signature.methods],
        default_method=signature.default_method,
        incomplete=signature.incomplete,
    )


def from_proto(message: signature_pb2.Signature) -> Signature:
    """Reads the message and validates it.

    Raises:
        SignatureError: the message is not a signature that can be used; the error says where.
    """
    signature = Signature(
        methods=tuple(_method_from_proto(method) for method in message.methods),
        default_method=message.default_method,
        incomplete=tuple(message.incomplete),
    )
    signature.validate()
    return signature


def value_to_proto(value: Any) -> struct_pb2.Value:
    """Returns a JSON value as protobuf's `Value`. What JSON does not have (NaN, infinity) becomes null."""
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return _number_to_proto(value)
        case str():
            return struct_pb2.Value(string_value=value)
        case Mapping():
            return struct_pb2.Value(struct_value=struct_to_proto(value))
        case _:
            entries = [value_to_proto(entry) for entry in value]
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=entries))


def struct_to_proto(value: Mapping[str, Any]) -> struct_pb2.Struct:
    """Returns a JSON object as protobuf's `Struct`."""
    return struct_pb2.Struct(fields={key: value_to_proto(entry) for key, entry in value.items()})


def value_from_proto(value: struct_pb2.Value) -> Any:
    """Returns a JSON value; whole numbers are integers."""
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "struct_value":
            return struct_from_proto(value.struct_value)
        case "list_value":
            return [value_from_proto(entry) for entry in value.list_value.values]
        case _:
            return None


def struct_from_proto(value: struct_pb2.Struct) -> dict[str, Any]:
    """Returns a JSON object."""
    return {key: value_from_proto(entry) for key, entry in value.fields.items()}


def _number_to_proto(value: float) -> struct_pb2.Value:
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the largest double
        number = math.inf
    if math.isfinite(number):
        return struct_pb2.Value(number_value=number)
    return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)


def _method_to_proto(method: Method) -> signature_pb2.Method:
    message = signature_pb2.Method(
        name=method.name,
        description=method.description,
        inputs=[_field_to_proto(entry) for entry in method.inputs],
        outputs=[_field_to_proto(entry) for entry in method.outputs],
        table=method.table,
        max_batch_rows=method.max_batch_rows,
    )
    if method.example is not None:
        message.example.inputs.CopyFrom(struct_to_proto(method.example.inputs))
        if method.example.outputs is not None:
            message.example.outputs.CopyFrom(struct_to_proto(method.example.outputs))
    return message


def _field_to_proto(field: Field) -> signature_pb2.Field:
    message = signature_pb2.Field(name=field.name, description=field.description, optional=not field.required)
    if field.tensor is not None:
        name = f"{_PREFIX}{field.tensor.datatype.value}"
        message.tensor.CopyFrom(signature_pb2.TensorType(datatype=name, shape=field.tensor.shape))
    if field.json_schema is not None:
        message.json_schema.CopyFrom(struct_to_proto(field.json_schema))
    if not field.required:
        message.default.CopyFrom(value_to_proto(field.default))
    return message


def _method_from_proto(message: signature_pb2.Method) -> Method:
    where = f"methods.{message.name}"
    return Method(
        name=message.name,
        description=message.description,
        inputs=tuple(_field_from_proto(entry, f"{where}.inputs") for entry in message.inputs),
        outputs=tuple(_field_from_proto(entry, f"{where}.outputs") for entry in message.outputs),
        table=message.table,
        max_batch_rows=message.max_batch_rows,
        example=_example_from_proto(message.example) if message.HasField("example") else None,
    )


def _example_from_proto(message: signature_pb2.Example) -> Example:
    outputs = struct_from_proto(message.outputs) if message.HasField("outputs") else None
    return Example(struct_from_proto(message.inputs), outputs)


def _field_from_proto(message: signature_pb2.Field, where: str) -> Field:
    kind = message.WhichOneof("type")
    return Field(
        name=message.name,
        description=message.description,
        required=not message.optional,
        default=value_from_proto(message.default) if message.optional else None,
        tensor=_tensor_from_proto(message.tensor, f"{where}.{message.name}") if kind == "tensor" else None,
        json_schema=struct_from_proto(message.json_schema) if kind == "json_schema" else None,
    )


def _tensor_from_proto(message: signature_pb2.TensorType, where: str) -> TensorType:
    try:
        datatype = Datatype(signature_pb2.Datatype.Name(message.datatype).removeprefix(_PREFIX))
    except ValueError as error:
        problem = f"has datatype {int(message.datatype)}; one of {', '.join(Datatype)} is needed"
        raise SignatureError(where, problem) from error
    return TensorType(datatype, tuple(message.shape))
