import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from kea.registry.v1 import signature_pb2 as _signature_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Framework(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FRAMEWORK_UNSPECIFIED: _ClassVar[Framework]
    FRAMEWORK_SKLEARN: _ClassVar[Framework]
    FRAMEWORK_ONNX: _ClassVar[Framework]
    FRAMEWORK_PYTHON: _ClassVar[Framework]
FRAMEWORK_UNSPECIFIED: Framework
FRAMEWORK_SKLEARN: Framework
FRAMEWORK_ONNX: Framework
FRAMEWORK_PYTHON: Framework

class ModelVersion(_message.Message):
    __slots__ = ("name", "number", "framework", "entrypoint", "signature", "requirements", "description", "sha256", "size_bytes", "create_time", "creator")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    ENTRYPOINT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: int
    framework: Framework
    entrypoint: str
    signature: _signature_pb2.Signature
    requirements: _containers.RepeatedScalarFieldContainer[str]
    description: str
    sha256: str
    size_bytes: int
    create_time: _timestamp_pb2.Timestamp
    creator: str
    def __init__(self, name: _Optional[str] = ..., number: _Optional[int] = ..., framework: _Optional[_Union[Framework, str]] = ..., entrypoint: _Optional[str] = ..., signature: _Optional[_Union[_signature_pb2.Signature, _Mapping]] = ..., requirements: _Optional[_Iterable[str]] = ..., description: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., creator: _Optional[str] = ...) -> None: ...
