from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Datatype(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATATYPE_UNSPECIFIED: _ClassVar[Datatype]
    DATATYPE_BOOL: _ClassVar[Datatype]
    DATATYPE_UINT8: _ClassVar[Datatype]
    DATATYPE_UINT16: _ClassVar[Datatype]
    DATATYPE_UINT32: _ClassVar[Datatype]
    DATATYPE_UINT64: _ClassVar[Datatype]
    DATATYPE_INT8: _ClassVar[Datatype]
    DATATYPE_INT16: _ClassVar[Datatype]
    DATATYPE_INT32: _ClassVar[Datatype]
    DATATYPE_INT64: _ClassVar[Datatype]
    DATATYPE_FP16: _ClassVar[Datatype]
    DATATYPE_FP32: _ClassVar[Datatype]
    DATATYPE_FP64: _ClassVar[Datatype]
    DATATYPE_BYTES: _ClassVar[Datatype]
DATATYPE_UNSPECIFIED: Datatype
DATATYPE_BOOL: Datatype
DATATYPE_UINT8: Datatype
DATATYPE_UINT16: Datatype
DATATYPE_UINT32: Datatype
DATATYPE_UINT64: Datatype
DATATYPE_INT8: Datatype
DATATYPE_INT16: Datatype
DATATYPE_INT32: Datatype
DATATYPE_INT64: Datatype
DATATYPE_FP16: Datatype
DATATYPE_FP32: Datatype
DATATYPE_FP64: Datatype
DATATYPE_BYTES: Datatype

class TensorType(_message.Message):
    __slots__ = ("datatype", "shape")
    DATATYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    datatype: Datatype
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, datatype: _Optional[_Union[Datatype, str]] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class Field(_message.Message):
    __slots__ = ("name", "description", "tensor", "json_schema", "optional", "default")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    tensor: TensorType
    json_schema: _struct_pb2.Struct
    optional: bool
    default: _struct_pb2.Value
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., tensor: _Optional[_Union[TensorType, _Mapping]] = ..., json_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., optional: _Optional[bool] = ..., default: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class Example(_message.Message):
    __slots__ = ("inputs", "outputs")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    inputs: _struct_pb2.Struct
    outputs: _struct_pb2.Struct
    def __init__(self, inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., outputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Method(_message.Message):
    __slots__ = ("name", "description", "inputs", "outputs", "table", "example", "max_batch_rows")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_ROWS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    inputs: _containers.RepeatedCompositeFieldContainer[Field]
    outputs: _containers.RepeatedCompositeFieldContainer[Field]
    table: bool
    example: Example
    max_batch_rows: int
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Field, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Field, _Mapping]]] = ..., table: _Optional[bool] = ..., example: _Optional[_Union[Example, _Mapping]] = ..., max_batch_rows: _Optional[int] = ...) -> None: ...

class Signature(_message.Message):
    __slots__ = ("methods", "default_method", "incomplete")
    METHODS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_METHOD_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    methods: _containers.RepeatedCompositeFieldContainer[Method]
    default_method: str
    incomplete: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, methods: _Optional[_Iterable[_Union[Method, _Mapping]]] = ..., default_method: _Optional[str] = ..., incomplete: _Optional[_Iterable[str]] = ...) -> None: ...
