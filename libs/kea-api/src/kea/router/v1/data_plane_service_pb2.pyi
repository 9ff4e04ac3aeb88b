import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetDataPlaneStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetDataPlaneStatusResponse(_message.Message):
    __slots__ = ("nodes", "refusal_count", "median_acknowledge_duration")
    class TypeStatus(_message.Message):
        __slots__ = ("type_url", "acknowledged_count", "last_refusal", "refuse_time")
        TYPE_URL_FIELD_NUMBER: _ClassVar[int]
        ACKNOWLEDGED_COUNT_FIELD_NUMBER: _ClassVar[int]
        LAST_REFUSAL_FIELD_NUMBER: _ClassVar[int]
        REFUSE_TIME_FIELD_NUMBER: _ClassVar[int]
        type_url: str
        acknowledged_count: int
        last_refusal: str
        refuse_time: _timestamp_pb2.Timestamp
        def __init__(self, type_url: _Optional[str] = ..., acknowledged_count: _Optional[int] = ..., last_refusal: _Optional[str] = ..., refuse_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    class Node(_message.Message):
        __slots__ = ("id", "connect_time", "types", "synced")
        ID_FIELD_NUMBER: _ClassVar[int]
        CONNECT_TIME_FIELD_NUMBER: _ClassVar[int]
        TYPES_FIELD_NUMBER: _ClassVar[int]
        SYNCED_FIELD_NUMBER: _ClassVar[int]
        id: str
        connect_time: _timestamp_pb2.Timestamp
        types: _containers.RepeatedCompositeFieldContainer[GetDataPlaneStatusResponse.TypeStatus]
        synced: bool
        def __init__(self, id: _Optional[str] = ..., connect_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., types: _Optional[_Iterable[_Union[GetDataPlaneStatusResponse.TypeStatus, _Mapping]]] = ..., synced: _Optional[bool] = ...) -> None: ...
    NODES_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_ACKNOWLEDGE_DURATION_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[GetDataPlaneStatusResponse.Node]
    refusal_count: int
    median_acknowledge_duration: _duration_pb2.Duration
    def __init__(self, nodes: _Optional[_Iterable[_Union[GetDataPlaneStatusResponse.Node, _Mapping]]] = ..., refusal_count: _Optional[int] = ..., median_acknowledge_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
