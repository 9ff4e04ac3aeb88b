"""Messages inside of messages."""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2
from google.protobuf.message import Message
from xds.type.v3 import typed_struct_pb2


def packed(message: Message) -> any_pb2.Any:
    """Returns a message as Any, serialized the same way each time."""
    made = any_pb2.Any()
    made.Pack(message, deterministic=True)
    return made


def typed(type_url: str, **value: Any) -> any_pb2.Any:
    """Returns what Envoy takes for the message of that type: xds-protos does not know all its fields yet."""
    made = typed_struct_pb2.TypedStruct(type_url=type_url)
    made.value.update(value)
    return packed(made)
