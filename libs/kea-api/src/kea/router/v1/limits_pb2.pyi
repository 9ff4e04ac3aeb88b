import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RateLimit(_message.Message):
    __slots__ = ("requests", "period", "burst")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    requests: int
    period: _duration_pb2.Duration
    burst: int
    def __init__(self, requests: _Optional[int] = ..., period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., burst: _Optional[int] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("total", "per_consumer", "max_concurrent_requests", "max_concurrent_requests_per_consumer")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PER_CONSUMER_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_REQUESTS_PER_CONSUMER_FIELD_NUMBER: _ClassVar[int]
    total: RateLimit
    per_consumer: RateLimit
    max_concurrent_requests: int
    max_concurrent_requests_per_consumer: int
    def __init__(self, total: _Optional[_Union[RateLimit, _Mapping]] = ..., per_consumer: _Optional[_Union[RateLimit, _Mapping]] = ..., max_concurrent_requests: _Optional[int] = ..., max_concurrent_requests_per_consumer: _Optional[int] = ...) -> None: ...

class ProjectLimits(_message.Message):
    __slots__ = ("name", "total", "update_time", "etag", "max_concurrent_requests")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    total: RateLimit
    update_time: _timestamp_pb2.Timestamp
    etag: str
    max_concurrent_requests: int
    def __init__(self, name: _Optional[str] = ..., total: _Optional[_Union[RateLimit, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., max_concurrent_requests: _Optional[int] = ...) -> None: ...
