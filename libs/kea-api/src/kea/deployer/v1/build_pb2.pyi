import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Build(_message.Message):
    __slots__ = ("name", "model_version", "platforms", "destination", "image", "base", "state", "step", "error", "bytes_pushed", "locks", "create_time", "start_time", "end_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Build.State]
        STATE_QUEUED: _ClassVar[Build.State]
        STATE_RUNNING: _ClassVar[Build.State]
        STATE_SUCCEEDED: _ClassVar[Build.State]
        STATE_FAILED: _ClassVar[Build.State]
        STATE_CANCELLED: _ClassVar[Build.State]
    STATE_UNSPECIFIED: Build.State
    STATE_QUEUED: Build.State
    STATE_RUNNING: Build.State
    STATE_SUCCEEDED: Build.State
    STATE_FAILED: Build.State
    STATE_CANCELLED: Build.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PLATFORMS_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    BYTES_PUSHED_FIELD_NUMBER: _ClassVar[int]
    LOCKS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    model_version: str
    platforms: _containers.RepeatedScalarFieldContainer[str]
    destination: str
    image: str
    base: str
    state: Build.State
    step: str
    error: BuildError
    bytes_pushed: int
    locks: _containers.RepeatedCompositeFieldContainer[BuildLock]
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., model_version: _Optional[str] = ..., platforms: _Optional[_Iterable[str]] = ..., destination: _Optional[str] = ..., image: _Optional[str] = ..., base: _Optional[str] = ..., state: _Optional[_Union[Build.State, str]] = ..., step: _Optional[str] = ..., error: _Optional[_Union[BuildError, _Mapping]] = ..., bytes_pushed: _Optional[int] = ..., locks: _Optional[_Iterable[_Union[BuildLock, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BuildError(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class BuildLock(_message.Message):
    __slots__ = ("target", "requirements")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    target: str
    requirements: str
    def __init__(self, target: _Optional[str] = ..., requirements: _Optional[str] = ...) -> None: ...

class BuildOperationMetadata(_message.Message):
    __slots__ = ("build", "step", "create_time")
    BUILD_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    build: str
    step: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, build: _Optional[str] = ..., step: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
