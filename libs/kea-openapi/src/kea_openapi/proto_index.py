"""A set of proto descriptors, looked up by full name, with the comments that stand over each part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf import descriptor_pb2

Message = descriptor_pb2.DescriptorProto
Enum = descriptor_pb2.EnumDescriptorProto
Service = descriptor_pb2.ServiceDescriptorProto

_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _NESTED, _NESTED_ENUMS, _VALUES, _METHODS = 2, 3, 4, 2, 2
"""Field numbers in descriptor.proto, which paths of source locations are made of."""

_REFERENCE = re.compile(r"\[([^\]]+)\]\[[^\]]*\]")


@dataclass(slots=True)
class ProtoIndex:
    """Descriptors and comments by full name, without a leading dot."""

    messages: dict[str, Message] = field(default_factory=dict[str, Message])
    enums: dict[str, Enum] = field(default_factory=dict[str, Enum])
    services: dict[str, Service] = field(default_factory=dict[str, Service])
    comments: dict[str, str] = field(default_factory=dict[str, str])
    packages: dict[str, str] = field(default_factory=dict[str, str])
    """Package of each message and enum."""

    @classmethod
    def of(cls, described: descriptor_pb2.FileDescriptorSet) -> ProtoIndex:
        """Indexes a set."""
        index = cls()
        for file in described.file:
            index._add_file(file)
        return index

    def comment(self, name: str) -> str:
        """Returns the comment over a part, or nothing."""
        return self.comments.get(name, "")

    def _add_file(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        by_path = {tuple(entry.path): entry.leading_comments for entry in file.source_code_info.location}
        names: dict[tuple[int, ...], str] = {}
        for number, message in enumerate(file.message_type):
            self._add_message(message, file.package, (_MESSAGES, number), names, file.package)
        for number, enum in enumerate(file.enum_type):
            self._add_enum(enum, file.package, (_ENUMS, number), names, file.package)
        for number, service in enumerate(file.service):
            full = f"{file.package}.{service.name}"
            self.services[full] = service
            names[_SERVICES, number] = full
            for place, method in enumerate(service.method):
                names[_SERVICES, number, _METHODS, place] = f"{full}.{method.name}"
        self.comments |= {name: tidy(by_path[path]) for path, name in names.items() if path in by_path}

    def _add_message(
        self, message: Message, scope: str, path: tuple[int, ...], names: dict[tuple[int, ...], str], package: str
    ) -> None:
        full = f"{scope}.{message.name}"
        self.messages[full] = message
        self.packages[full] = package
        names[path] = full
        for number, entry in enumerate(message.field):
            names[*path, _FIELDS, number] = f"{full}.{entry.name}"
        for number, nested in enumerate(message.nested_type):
            self._add_message(nested, full, (*path, _NESTED, number), names, package)
        for number, enum in enumerate(message.enum_type):
            self._add_enum(enum, full, (*path, _NESTED_ENUMS, number), names, package)

    def _add_enum(
        self, enum: Enum, scope: str, path: tuple[int, ...], names: dict[tuple[int, ...], str], package: str
    ) -> None:
        full = f"{scope}.{enum.name}"
        self.enums[full] = enum
        self.packages[full] = package
        names[path] = full
        for number, value in enumerate(enum.value):
            names[*path, _VALUES, number] = f"{full}.{value.name}"

    def methods(self, service: str) -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto]]:
        """Yields the methods of a service with their full names."""
        for method in self.services[service].method:
            yield f"{service}.{method.name}", method


def tidy(comment: str) -> str:
    """Returns a comment as CommonMark. References, `[Operation][google.longrunning.Operation]`, become code."""
    lines = [line.removeprefix(" ").rstrip() for line in comment.splitlines()]
    return _REFERENCE.sub(r"`\1`", "\n".join(lines).strip())
