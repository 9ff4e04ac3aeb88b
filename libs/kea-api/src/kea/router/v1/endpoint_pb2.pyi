import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.common.v1 import condition_pb2 as _condition_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from kea.router.v1 import limits_pb2 as _limits_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Endpoint(_message.Message):
    __slots__ = ("name", "targets", "timeout", "state", "reconciling", "conditions", "create_time", "update_time", "etag", "managed_by", "retry", "limits")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Endpoint.State]
        STATE_UNAVAILABLE: _ClassVar[Endpoint.State]
        STATE_ACTIVE: _ClassVar[Endpoint.State]
    STATE_UNSPECIFIED: Endpoint.State
    STATE_UNAVAILABLE: Endpoint.State
    STATE_ACTIVE: Endpoint.State
    class Retry(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RETRY_UNSPECIFIED: _ClassVar[Endpoint.Retry]
        RETRY_UNSENT: _ClassVar[Endpoint.Retry]
        RETRY_UNANSWERED: _ClassVar[Endpoint.Retry]
    RETRY_UNSPECIFIED: Endpoint.Retry
    RETRY_UNSENT: Endpoint.Retry
    RETRY_UNANSWERED: Endpoint.Retry
    NAME_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RECONCILING_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    MANAGED_BY_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    name: str
    targets: _containers.RepeatedCompositeFieldContainer[Target]
    timeout: _duration_pb2.Duration
    state: Endpoint.State
    reconciling: bool
    conditions: _containers.RepeatedCompositeFieldContainer[_condition_pb2.Condition]
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    managed_by: str
    retry: Endpoint.Retry
    limits: _limits_pb2.Limits
    def __init__(self, name: _Optional[str] = ..., targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., state: _Optional[_Union[Endpoint.State, str]] = ..., reconciling: _Optional[bool] = ..., conditions: _Optional[_Iterable[_Union[_condition_pb2.Condition, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., managed_by: _Optional[str] = ..., retry: _Optional[_Union[Endpoint.Retry, str]] = ..., limits: _Optional[_Union[_limits_pb2.Limits, _Mapping]] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("deployment", "weight")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    weight: int
    def __init__(self, deployment: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...
