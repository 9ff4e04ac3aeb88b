"""The interceptor that holds requests to what their proto says.

Checked are REQUIRED (`google.api.field_behavior`), resource references (`google.api.resource_reference`, by the
pattern the resource declares) and bounds (`kea.common.v1.bounds`). Checks are compiled once per message type.
"""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.api import field_behavior_pb2, resource_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from kea.common.v1 import options_pb2

from kea_core.errors import FieldOutOfBounds, FieldViolation
from kea_core.interceptors import Around, Context, Details

MAX_VIOLATIONS = 20
"""How many violations one answer names."""

RESOURCE_ID = "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
NUMBERS = {"version": "[1-9][0-9]{0,17}"}
"""Path variables that are numbers; all others are resource ids."""

KEY_ID = {"signing_key": "[A-Za-z0-9_-]{1,64}"}

Check = Callable[[Any], str | None]
"""Returns what is wrong with one value, or None."""


class Validation(Around):
    """Refuses requests outside the bounds their proto states."""

    @asynccontextmanager
    async def around(self, details: Details, context: Context) -> AsyncGenerator[None, None]:
        """Does nothing of its own: the work is done for each message."""
        del details, context
        yield

    def on_request(self, details: Details, message: Any) -> None:
        """Checks one request message."""
        del details
        validate(message)


def validate(message: Message) -> None:
    """Checks a message and all it contains.

    Raises:
        FieldOutOfBounds: naming every field at fault, at most `MAX_VIOLATIONS`.
    """
    found: list[FieldViolation] = []
    for violation in _violations(message, ""):
        found.append(violation)
        if len(found) == MAX_VIOLATIONS:
            break
    if found:
        raise FieldOutOfBounds(found)


@dataclass(frozen=True, slots=True)
class _FieldRule:
    name: str
    repeated: bool
    message: bool
    presence: bool
    required: bool
    zero_is_a_value: bool
    """A REQUIRED number without presence: 0 cannot be told from nothing, so it is held to the bounds as it is."""
    max_items: int
    checks: tuple[Check, ...]


def _violations(message: Message, path: str, *, partial: bool = False) -> Iterator[FieldViolation]:
    """With `partial`, nothing is missed in the message itself: an update may say only what it changes (AIP-134)."""
    updates = "update_mask" in message.DESCRIPTOR.fields_by_name
    for rule in _rules(message.DESCRIPTOR):
        where = f"{path}{rule.name}"
        value = getattr(message, rule.name)
        given = message.HasField(rule.name) if rule.presence else bool(value) or (rule.zero_is_a_value and not partial)
        if not given:
            if rule.required and not partial:
                yield FieldViolation(where, "is required")
            continue
        if rule.max_items and len(value) > rule.max_items:
            yield FieldViolation(where, f"has {len(value)} entries; expected at most {rule.max_items}")
            continue
        entries = enumerate(value) if rule.repeated else [(None, value)]
        for index, entry in entries:
            place = where if index is None else f"{where}[{index}]"
            if rule.message:
                yield from _violations(entry, f"{place}.", partial=updates)
            for check in rule.checks:
                problem = check(entry)
                if problem is not None:
                    yield FieldViolation(place, problem)


@functools.cache
def _rules(descriptor: Descriptor) -> tuple[_FieldRule, ...]:
    if descriptor.file.package.startswith("google.protobuf"):
        return ()
    return tuple(rule for rule in map(_rule, descriptor.fields) if rule is not None)


def _rule(field: FieldDescriptor) -> _FieldRule | None:
    options: Any = field.GetOptions()  # stubs know extensions as fields only
    behaviours = options.Extensions[field_behavior_pb2.field_behavior]
    if field_behavior_pb2.OUTPUT_ONLY in behaviours or field_behavior_pb2.IDENTIFIER in behaviours:
        return None  # what a caller writes there is ignored (AIP-203)
    bounds = options.Extensions[options_pb2.bounds]
    is_message = field.type == FieldDescriptor.TYPE_MESSAGE
    is_map = is_message and field.message_type is not None and field.message_type.GetOptions().map_entry
    required = field_behavior_pb2.REQUIRED in behaviours
    bare_number = _is_number_without_presence(field)
    rule = _FieldRule(
        name=field.name,
        repeated=field.is_repeated and not is_map,
        message=is_message and not is_map,
        presence=field.has_presence,
        required=required and not bare_number,
        zero_is_a_value=required and bare_number,
        max_items=int(bounds.max_items),
        checks=() if is_message else tuple(_checks(field, bounds)),
    )
    return rule if rule.required or rule.max_items or rule.checks or rule.message else None


def _is_number_without_presence(field: FieldDescriptor) -> bool:
    texts = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_ENUM)
    return not field.has_presence and not field.is_repeated and field.type not in texts


def _checks(field: FieldDescriptor, bounds: options_pb2.FieldBounds) -> Iterator[Check]:
    if bounds.min_length or bounds.max_length:
        yield _length(int(bounds.min_length), int(bounds.max_length))
    if bounds.pattern:
        yield _pattern(bounds.pattern, bounds.pattern)
    if bounds.HasField("minimum") or bounds.HasField("maximum"):
        least = bounds.minimum if bounds.HasField("minimum") else None
        most = bounds.maximum if bounds.HasField("maximum") else None
        yield _range(least, most)
    options: Any = field.GetOptions()  # as above
    reference = options.Extensions[resource_pb2.resource_reference]
    if reference.type or reference.child_type:
        pattern = resource_pattern(reference.type or reference.child_type)
        if not reference.type:
            pattern = pattern.rsplit("/", 2)[0]
        yield _pattern(name_expression(pattern), pattern)


def _length(least: int, most: int) -> Check:
    def check(value: Any) -> str | None:
        size = len(value)
        if size < least:
            return f"has length {size}; expected at least {least}"
        if most and size > most:
            return f"has length {size}; expected at most {most}"
        return None

    return check


def _pattern(expression: str, shown: str) -> Check:
    compiled = re.compile(expression)

    def check(value: Any) -> str | None:
        return None if compiled.fullmatch(value) else f"is {value[:100]!r}; expected {shown}"

    return check


def _range(least: int | None, most: int | None) -> Check:
    def check(value: Any) -> str | None:
        if least is not None and value < least:
            return f"is {value}; expected at least {least}"
        if most is not None and value > most:
            return f"is {value}; expected at most {most}"
        return None

    return check


def name_expression(pattern: str) -> str:
    """Returns the regular expression of a resource name pattern such as `projects/{project}/models/{model}`."""

    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"(?P<{name}>{NUMBERS.get(name) or KEY_ID.get(name) or RESOURCE_ID})"

    return re.sub(r"\{(\w+)\}", variable, pattern)


@functools.cache
def resource_pattern(resource_type: str) -> str:
    """Returns the name pattern of a resource type such as `kea.dev/Model`, from the message that declares it.

    Raises:
        LookupError: no loaded message declares that type.
    """
    pool = descriptor_pool.Default()
    for package in ("auth", "registry", "deployer", "router"):
        message = resource_type.partition("/")[2]
        try:
            descriptor = pool.FindMessageTypeByName(f"kea.{package}.v1.{message}")
        except KeyError:
            continue
        options: Any = descriptor.GetOptions()  # as above
        resource = options.Extensions[resource_pb2.resource]
        if resource.type == resource_type:
            return str(resource.pattern[0])
    problem = f"no message declares resource type {resource_type}"
    raise LookupError(problem)
