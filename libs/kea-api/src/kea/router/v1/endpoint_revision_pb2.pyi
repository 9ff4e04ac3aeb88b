import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kea.deployer.v1 import pod_template_pb2 as _pod_template_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EndpointRevision(_message.Message):
    __slots__ = ("name", "number", "targets", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: int
    targets: _containers.RepeatedCompositeFieldContainer[RevisionTarget]
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., number: _Optional[int] = ..., targets: _Optional[_Iterable[_Union[RevisionTarget, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RevisionTarget(_message.Message):
    __slots__ = ("deployment", "weight", "model_version", "pod_template", "prebuilt_image")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    POD_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    PREBUILT_IMAGE_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    weight: int
    model_version: str
    pod_template: _pod_template_pb2.PodTemplate
    prebuilt_image: str
    def __init__(self, deployment: _Optional[str] = ..., weight: _Optional[int] = ..., model_version: _Optional[str] = ..., pod_template: _Optional[_Union[_pod_template_pb2.PodTemplate, _Mapping]] = ..., prebuilt_image: _Optional[str] = ...) -> None: ...
