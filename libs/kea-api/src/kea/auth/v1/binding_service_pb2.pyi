from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from kea.auth.v1 import binding_pb2 as _binding_pb2
from kea.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateBindingRequest(_message.Message):
    __slots__ = ("binding", "validate_only")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    validate_only: bool
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class GetBindingRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListBindingsRequest(_message.Message):
    __slots__ = ("resource", "member", "page_size", "page_token")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    resource: str
    member: str
    page_size: int
    page_token: str
    def __init__(self, resource: _Optional[str] = ..., member: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListBindingsResponse(_message.Message):
    __slots__ = ("bindings", "next_page_token")
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[_binding_pb2.Binding]
    next_page_token: str
    def __init__(self, bindings: _Optional[_Iterable[_Union[_binding_pb2.Binding, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteBindingRequest(_message.Message):
    __slots__ = ("binding", "validate_only")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    validate_only: bool
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...
