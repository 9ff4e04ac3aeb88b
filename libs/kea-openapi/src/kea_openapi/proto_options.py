"""Options of methods and fields, typed: the stubs of extensions and of protobuf itself do not fit together."""

from __future__ import annotations

from typing import Any

from google.api import annotations_pb2, field_behavior_pb2, http_pb2
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pb2
from kea.common.v1 import options_pb2


def http_rule(method: descriptor_pb2.MethodDescriptorProto) -> http_pb2.HttpRule | None:
    """Returns the option `google.api.http`, or None where the method has no path."""
    options: Any = method.options
    rule: http_pb2.HttpRule = options.Extensions[annotations_pb2.http]
    return None if rule.WhichOneof("pattern") is None else rule


def set_http_rule(method: descriptor_pb2.MethodDescriptorProto, rule: http_pb2.HttpRule | None) -> None:
    """Replaces the option `google.api.http`."""
    options: Any = method.options
    options.ClearExtension(annotations_pb2.http)
    if rule is not None:
        options.Extensions[annotations_pb2.http].CopyFrom(rule)


def access(method: descriptor_pb2.MethodDescriptorProto) -> options_pb2.MethodAccess:
    """Returns the option `kea.common.v1.access`; changing it changes the method."""
    options: Any = method.options
    return options.Extensions[options_pb2.access]


def operation_types(method: descriptor_pb2.MethodDescriptorProto) -> tuple[str, str]:
    """Returns the types of response and metadata of the operation that a method begins; empty where it begins none."""
    options: Any = method.options
    longrunning: Any = operations_pb2  # its stub lacks the extension
    info = options.Extensions[longrunning.operation_info]
    return info.response_type, info.metadata_type


def bounds(field: descriptor_pb2.FieldDescriptorProto) -> options_pb2.FieldBounds:
    """Returns the option `kea.common.v1.bounds`."""
    options: Any = field.options
    return options.Extensions[options_pb2.bounds]


def behaviours(field: descriptor_pb2.FieldDescriptorProto) -> frozenset[int]:
    """Returns the options `google.api.field_behavior`."""
    options: Any = field.options
    return frozenset(options.Extensions[field_behavior_pb2.field_behavior])
