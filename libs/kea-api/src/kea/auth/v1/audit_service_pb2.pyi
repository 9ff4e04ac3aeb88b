import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.auth.v1 import audit_event_pb2 as _audit_event_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchAuditEventsRequest(_message.Message):
    __slots__ = ("filter", "oldest_first", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: _audit_event_pb2.AuditEventFilter
    oldest_first: bool
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[_audit_event_pb2.AuditEventFilter, _Mapping]] = ..., oldest_first: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchAuditEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_audit_event_pb2.AuditEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[_audit_event_pb2.AuditEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ExportAuditEventsRequest(_message.Message):
    __slots__ = ("filter", "format")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[ExportAuditEventsRequest.Format]
        FORMAT_JSON_LINES: _ClassVar[ExportAuditEventsRequest.Format]
        FORMAT_OTLP: _ClassVar[ExportAuditEventsRequest.Format]
    FORMAT_UNSPECIFIED: ExportAuditEventsRequest.Format
    FORMAT_JSON_LINES: ExportAuditEventsRequest.Format
    FORMAT_OTLP: ExportAuditEventsRequest.Format
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    filter: _audit_event_pb2.AuditEventFilter
    format: ExportAuditEventsRequest.Format
    def __init__(self, filter: _Optional[_Union[_audit_event_pb2.AuditEventFilter, _Mapping]] = ..., format: _Optional[_Union[ExportAuditEventsRequest.Format, str]] = ...) -> None: ...

class ExportAuditEventsResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: bytes
    def __init__(self, lines: _Optional[bytes] = ...) -> None: ...

class VerifyAuditLogRequest(_message.Message):
    __slots__ = ("known_hash", "page_token")
    KNOWN_HASH_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    known_hash: str
    page_token: str
    def __init__(self, known_hash: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class VerifyAuditLogResponse(_message.Message):
    __slots__ = ("segments", "known_hash_found", "next_page_token")
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_HASH_FOUND_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedCompositeFieldContainer[AuditSegment]
    known_hash_found: bool
    next_page_token: str
    def __init__(self, segments: _Optional[_Iterable[_Union[AuditSegment, _Mapping]]] = ..., known_hash_found: _Optional[bool] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AuditSegment(_message.Message):
    __slots__ = ("chain", "number", "closed", "batches", "events", "bytes", "first_time", "last_time", "hash", "problem", "problem_offset")
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_OFFSET_FIELD_NUMBER: _ClassVar[int]
    chain: str
    number: int
    closed: bool
    batches: int
    events: int
    bytes: int
    first_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    hash: str
    problem: str
    problem_offset: int
    def __init__(self, chain: _Optional[str] = ..., number: _Optional[int] = ..., closed: _Optional[bool] = ..., batches: _Optional[int] = ..., events: _Optional[int] = ..., bytes: _Optional[int] = ..., first_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., hash: _Optional[str] = ..., problem: _Optional[str] = ..., problem_offset: _Optional[int] = ...) -> None: ...
