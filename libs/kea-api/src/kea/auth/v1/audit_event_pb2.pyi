import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuditEvent(_message.Message):
    __slots__ = ("id", "time", "subject", "authentication", "action", "resource", "decision", "rule", "outcome", "request_id", "source_address", "source", "request", "model_version", "duration_ms", "bytes_received", "bytes_sent")
    class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DECISION_UNSPECIFIED: _ClassVar[AuditEvent.Decision]
        DECISION_ALLOWED: _ClassVar[AuditEvent.Decision]
        DECISION_DENIED: _ClassVar[AuditEvent.Decision]
        DECISION_LIMITED: _ClassVar[AuditEvent.Decision]
        DECISION_NONE: _ClassVar[AuditEvent.Decision]
    DECISION_UNSPECIFIED: AuditEvent.Decision
    DECISION_ALLOWED: AuditEvent.Decision
    DECISION_DENIED: AuditEvent.Decision
    DECISION_LIMITED: AuditEvent.Decision
    DECISION_NONE: AuditEvent.Decision
    ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    BYTES_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    time: _timestamp_pb2.Timestamp
    subject: str
    authentication: AuditAuthentication
    action: str
    resource: str
    decision: AuditEvent.Decision
    rule: str
    outcome: str
    request_id: str
    source_address: str
    source: str
    request: str
    model_version: str
    duration_ms: int
    bytes_received: int
    bytes_sent: int
    def __init__(self, id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., subject: _Optional[str] = ..., authentication: _Optional[_Union[AuditAuthentication, _Mapping]] = ..., action: _Optional[str] = ..., resource: _Optional[str] = ..., decision: _Optional[_Union[AuditEvent.Decision, str]] = ..., rule: _Optional[str] = ..., outcome: _Optional[str] = ..., request_id: _Optional[str] = ..., source_address: _Optional[str] = ..., source: _Optional[str] = ..., request: _Optional[str] = ..., model_version: _Optional[str] = ..., duration_ms: _Optional[int] = ..., bytes_received: _Optional[int] = ..., bytes_sent: _Optional[int] = ...) -> None: ...

class AuditAuthentication(_message.Message):
    __slots__ = ("token_id", "session_id", "account_id")
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    session_id: str
    account_id: str
    def __init__(self, token_id: _Optional[str] = ..., session_id: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class AuditEventFilter(_message.Message):
    __slots__ = ("start_time", "end_time", "subject", "resource", "action", "decision", "request_id", "source_address", "source", "token_id")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    subject: str
    resource: str
    action: str
    decision: AuditEvent.Decision
    request_id: str
    source_address: str
    source: str
    token_id: str
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., subject: _Optional[str] = ..., resource: _Optional[str] = ..., action: _Optional[str] = ..., decision: _Optional[_Union[AuditEvent.Decision, str]] = ..., request_id: _Optional[str] = ..., source_address: _Optional[str] = ..., source: _Optional[str] = ..., token_id: _Optional[str] = ...) -> None: ...
