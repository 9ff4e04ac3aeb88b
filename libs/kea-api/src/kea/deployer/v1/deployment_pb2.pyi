import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.common.v1 import condition_pb2 as _condition_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from kea.deployer.v1 import pod_template_pb2 as _pod_template_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Deployment(_message.Message):
    __slots__ = ("name", "model_version", "replica_count", "state", "reconciling", "conditions", "replicas", "create_time", "update_time", "etag", "image", "pod_template", "autoscaling", "managed_by", "prebuilt_image")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Deployment.State]
        STATE_CREATING: _ClassVar[Deployment.State]
        STATE_ACTIVE: _ClassVar[Deployment.State]
        STATE_FAILED: _ClassVar[Deployment.State]
        STATE_DELETING: _ClassVar[Deployment.State]
        STATE_IDLE: _ClassVar[Deployment.State]
    STATE_UNSPECIFIED: Deployment.State
    STATE_CREATING: Deployment.State
    STATE_ACTIVE: Deployment.State
    STATE_FAILED: Deployment.State
    STATE_DELETING: Deployment.State
    STATE_IDLE: Deployment.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLICA_COUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RECONCILING_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    POD_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    AUTOSCALING_FIELD_NUMBER: _ClassVar[int]
    MANAGED_BY_FIELD_NUMBER: _ClassVar[int]
    PREBUILT_IMAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    model_version: str
    replica_count: int
    state: Deployment.State
    reconciling: bool
    conditions: _containers.RepeatedCompositeFieldContainer[_condition_pb2.Condition]
    replicas: _containers.RepeatedCompositeFieldContainer[Replica]
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    image: str
    pod_template: _pod_template_pb2.PodTemplate
    autoscaling: _pod_template_pb2.Autoscaling
    managed_by: str
    prebuilt_image: str
    def __init__(self, name: _Optional[str] = ..., model_version: _Optional[str] = ..., replica_count: _Optional[int] = ..., state: _Optional[_Union[Deployment.State, str]] = ..., reconciling: _Optional[bool] = ..., conditions: _Optional[_Iterable[_Union[_condition_pb2.Condition, _Mapping]]] = ..., replicas: _Optional[_Iterable[_Union[Replica, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., image: _Optional[str] = ..., pod_template: _Optional[_Union[_pod_template_pb2.PodTemplate, _Mapping]] = ..., autoscaling: _Optional[_Union[_pod_template_pb2.Autoscaling, _Mapping]] = ..., managed_by: _Optional[str] = ..., prebuilt_image: _Optional[str] = ...) -> None: ...

class Replica(_message.Message):
    __slots__ = ("id", "state", "http_address", "grpc_address", "pid", "restart_count", "start_time", "restart_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Replica.State]
        STATE_STARTING: _ClassVar[Replica.State]
        STATE_READY: _ClassVar[Replica.State]
        STATE_BACKING_OFF: _ClassVar[Replica.State]
        STATE_DRAINING: _ClassVar[Replica.State]
        STATE_FAILED: _ClassVar[Replica.State]
    STATE_UNSPECIFIED: Replica.State
    STATE_STARTING: Replica.State
    STATE_READY: Replica.State
    STATE_BACKING_OFF: Replica.State
    STATE_DRAINING: Replica.State
    STATE_FAILED: Replica.State
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HTTP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GRPC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    RESTART_COUNT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    RESTART_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: Replica.State
    http_address: str
    grpc_address: str
    pid: int
    restart_count: int
    start_time: _timestamp_pb2.Timestamp
    restart_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[Replica.State, str]] = ..., http_address: _Optional[str] = ..., grpc_address: _Optional[str] = ..., pid: _Optional[int] = ..., restart_count: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., restart_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeploymentOperationMetadata(_message.Message):
    __slots__ = ("deployment", "verb", "step", "create_time")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    verb: str
    step: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, deployment: _Optional[str] = ..., verb: _Optional[str] = ..., step: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LogEntry(_message.Message):
    __slots__ = ("time", "replica", "text")
    TIME_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    replica: str
    text: str
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replica: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...
