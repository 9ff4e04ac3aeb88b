"""KEA's protos as they are packaged, with comments; and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from kea_openapi import proto_options
from kea_openapi.api_resource import OPERATIONS, descriptor_set

Message = descriptor_pb2.DescriptorProto
Method = descriptor_pb2.MethodDescriptorProto
Path = tuple[int, ...]

# Numbers of fields in descriptor.proto: comments are found by paths made of them.
FILE_MESSAGES, FILE_ENUMS, FILE_SERVICES, FILE_EXTENSIONS = 4, 5, 6, 7
MESSAGE_FIELDS, MESSAGE_MESSAGES, MESSAGE_ENUMS, MESSAGE_ONEOFS = 2, 3, 4, 8
VALUES = METHODS = 2


@dataclass(frozen=True, slots=True)
class Element:
    """Anything in a proto that must be explained."""

    name: str
    comment: str


def files() -> list[descriptor_pb2.FileDescriptorProto]:
    """Returns the files of KEA's own services."""
    return [file for file in descriptor_set().file if file.package.startswith("kea.")]


def methods() -> dict[str, Method]:
    """Returns all methods of KEA's services and of its operations, by path."""
    return {
        f"/{file.package}.{service.name}/{method.name}": method
        for file in descriptor_set().file
        for service in file.service
        if file.package.startswith("kea.") or f"{file.package}.{service.name}" == OPERATIONS
        for method in service.method
    }


def messages(described: Iterable[descriptor_pb2.FileDescriptorProto]) -> dict[str, Message]:
    """Returns all messages, those within others too, by full name."""

    def within(scope: str, found: Iterable[Message]) -> Iterator[tuple[str, Message]]:
        for message in found:
            name = f"{scope}.{message.name}"
            yield name, message
            yield from within(name, message.nested_type)

    return {name: message for file in described for name, message in within(file.package, file.message_type)}


def elements(file: descriptor_pb2.FileDescriptorProto) -> list[Element]:
    """Returns all that must be explained in a file."""
    walk = _Walk(file)
    for index, message in enumerate(file.message_type):
        walk.message(file.package, message, (FILE_MESSAGES, index))
    for index, enum in enumerate(file.enum_type):
        walk.enum(file.package, enum, (FILE_ENUMS, index))
    walk.named(file.package, file.extension, (FILE_EXTENSIONS,))
    for index, service in enumerate(file.service):
        walk.named(file.package, [service], (FILE_SERVICES,), begin=index)
        walk.named(f"{file.package}.{service.name}", service.method, (FILE_SERVICES, index, METHODS))
    return walk.found


class _Walk:
    """Goes through a file and keeps what it comes by; a path is made of the numbers that lead there."""

    def __init__(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self.found: list[Element] = []
        places = file.source_code_info.location
        self._comments = {tuple(place.path): place.leading_comments.strip() for place in places}

    def named(self, scope: str, entries: Iterable[Any], path: Path, *, begin: int = 0) -> None:
        for index, entry in enumerate(entries, begin):
            self.found.append(Element(f"{scope}.{entry.name}", self._comments.get((*path, index), "")))

    def enum(self, scope: str, enum: descriptor_pb2.EnumDescriptorProto, path: Path) -> None:
        self.named(scope, [enum], path[:-1], begin=path[-1])
        self.named(f"{scope}.{enum.name}", enum.value, (*path, VALUES))

    def message(self, scope: str, message: Message, path: Path) -> None:
        if message.options.map_entry:
            return
        name = f"{scope}.{message.name}"
        self.named(scope, [message], path[:-1], begin=path[-1])
        self.named(name, message.field, (*path, MESSAGE_FIELDS))
        made_up = sum(field.proto3_optional for field in message.field)  # their oneofs come last
        self.named(name, message.oneof_decl[: len(message.oneof_decl) - made_up], (*path, MESSAGE_ONEOFS))
        for index, nested in enumerate(message.nested_type):
            self.message(name, nested, (*path, MESSAGE_MESSAGES, index))
        for index, enum in enumerate(message.enum_type):
            self.enum(name, enum, (*path, MESSAGE_ENUMS, index))


def unexplained(described: Iterable[descriptor_pb2.FileDescriptorProto]) -> list[str]:
    """Returns what has no comment."""
    return [element.name for file in described for element in elements(file) if not element.comment]


def without_access(found: dict[str, Method]) -> list[str]:
    """Returns the methods that do not say who may call them, in one of the three ways."""
    said = {path: proto_options.access(method) for path, method in found.items()}
    return [
        path
        for path, access in said.items()
        if [bool(access.permission), access.public, access.authenticated].count(True) != 1
    ]


def without_path(found: dict[str, Method]) -> list[str]:
    """Returns methods of one answer without a REST form, and streams with one."""

    def streams(method: Method) -> bool:
        return method.client_streaming or method.server_streaming

    return [path for path, method in found.items() if streams(method) == (proto_options.http_rule(method) is not None)]


def without_behaviour(described: list[descriptor_pb2.FileDescriptorProto]) -> list[str]:
    """Returns the fields of requests, and of what requests carry, that do not say how they behave.

    Fields of a oneof need not: that one of them is given is all there is to say.
    """
    known = messages(described)
    wanted = [
        method.input_type.lstrip(".") for file in described for service in file.service for method in service.method
    ]
    seen: set[str] = set()
    found: list[str] = []
    while wanted:
        name = wanted.pop()
        if name in seen or name not in known or known[name].options.map_entry:
            continue
        seen.add(name)
        for field in known[name].field:
            behaviours = proto_options.behaviours(field)
            alternative = field.HasField("oneof_index") and not field.proto3_optional
            if not behaviours and not alternative:
                found.append(f"{name}.{field.name}")
            if field_behavior_pb2.OUTPUT_ONLY not in behaviours:
                wanted.append(field.type_name.lstrip("."))
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Told:
    """A reason that a method's comment promises."""

    method: str
    code: str
    reason: str


WORD = re.compile(r"`?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*`?")


def reasons_told(described: Iterable[descriptor_pb2.FileDescriptorProto], codes: Iterable[str]) -> list[Told]:
    """Returns the reasons in comments: words in backticks after the name of a gRPC code."""
    known = set(codes)
    found: list[Told] = []
    for file in described:
        for element in elements(file):
            code = ""
            for word in WORD.findall(element.comment):
                if word in known:
                    code = word
                elif word.startswith("`") and "_" in word and code:
                    found.append(Told(element.name, code, word.strip("`")))
    return found
