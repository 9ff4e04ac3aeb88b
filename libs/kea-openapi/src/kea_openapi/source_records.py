"""Classes that are data: dataclasses, TypedDicts, NamedTuples, enumerations and pydantic models, as JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import griffe

from kea_openapi.source_docstrings import documentation
from kea_openapi.source_literals import NOT_LITERAL, NotLiteral, enum_values, literal
from kea_openapi.source_modules import SourceModules

Json = dict[str, Any]
ReadHint = Callable[[griffe.Expr | str | None, griffe.Class], Json]

_MAX_BASES = 16
_DATACLASS = frozenset({"dataclasses.dataclass", "pydantic.dataclasses.dataclass"})
_NO_DEFAULT = frozenset({"pydantic.Field", "dataclasses.field"})

_CONSTRAINTS: Mapping[str, str] = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "description": "description",
}


class Kind(Enum):
    """What sort of data class a class is."""

    DATACLASS = auto()
    TYPED_DICT = auto()
    NAMED_TUPLE = auto()
    PYDANTIC = auto()
    ENUM = auto()


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a data class."""

    name: str
    hint: griffe.Expr | str | None
    owner: griffe.Class
    required: bool
    default: Any
    description: str
    call: griffe.ExprCall | None
    """The call of `Field(…)` or `field(…)` that stands in the default's place."""


def kind_of(modules: SourceModules, found: griffe.Class) -> Kind | None:
    """Returns what sort of data class it is, or None where it is none."""
    lineage = list(_lineage(modules, found))
    if any(decorator.callable_path in _DATACLASS for known in lineage for decorator in known.decorators):
        return Kind.DATACLASS
    for base in (path for known in lineage for path in _base_paths(known)):
        module, _, name = base.rpartition(".")
        if name == "TypedDict" and module in {"typing", "typing_extensions"}:
            return Kind.TYPED_DICT
        if base == "typing.NamedTuple":
            return Kind.NAMED_TUPLE
        if base == "pydantic.BaseModel":
            return Kind.PYDANTIC
        if module == "enum" and name in {"Enum", "IntEnum", "StrEnum"}:
            return Kind.ENUM
    return None


def members(modules: SourceModules, found: griffe.Class) -> list[Member]:
    """Returns the members of a data class, those of its bases first."""
    collected: dict[str, Member] = {}
    for owner in reversed(list(_lineage(modules, found))):
        described = documentation(owner.docstring).members
        total = str(owner.keywords.get("total", "True")) != "False"
        for name, attribute in owner.members.items():
            if (
                isinstance(attribute, griffe.Attribute)
                and attribute.annotation is not None
                and not name.startswith("_")
            ):
                text = attribute.docstring.value.strip() if attribute.docstring else described.get(name, "")
                member = _member(modules, attribute, owner, text, total=total)
                if member is not None:
                    collected[name] = member
    return list(collected.values())


def record_schema(modules: SourceModules, found: griffe.Class, read: ReadHint) -> Json | None:
    """Returns the schema of a data class, or None where it is none."""
    kind = kind_of(modules, found)
    if kind is None:
        return None
    schema: Json = {}
    text = documentation(found.docstring).text
    if text:
        schema["description"] = text
    if kind is Kind.ENUM:
        values = enum_values(modules, found)
        return schema if values is None else {**schema, "enum": values}
    parts = {member.name: _member_schema(modules, member, read) for member in members(modules, found)}
    needed = [member.name for member in members(modules, found) if member.required]
    if kind is Kind.NAMED_TUPLE:
        return {**schema, "type": "array", "prefixItems": list(parts.values()), "minItems": len(needed), "items": False}
    schema |= {"type": "object", "properties": parts}
    if needed:
        schema["required"] = needed
    if kind is not Kind.PYDANTIC:  # pydantic ignores what it does not know
        schema["additionalProperties"] = False
    return schema


def constraints(modules: SourceModules, call: griffe.ExprCall) -> Json:
    """Returns the keywords of JSON Schema for those of pydantic's `Field(…)`."""
    found: Json = {}
    for argument in call.arguments:
        if isinstance(argument, griffe.ExprKeyword) and argument.name in _CONSTRAINTS:
            value = literal(modules, argument.value)
            if not isinstance(value, NotLiteral):
                found[_CONSTRAINTS[argument.name]] = value
    return found


def _member_schema(modules: SourceModules, member: Member, read: ReadHint) -> Json:
    schema = read(member.hint, member.owner)
    if member.call is not None:
        schema = {**schema, **constraints(modules, member.call)}
    if member.description:
        schema = {**schema, "description": member.description}
    if not member.required and not isinstance(member.default, NotLiteral):
        schema = {**schema, "default": member.default}
    return schema


def _member(
    modules: SourceModules, attribute: griffe.Attribute, owner: griffe.Class, text: str, *, total: bool
) -> Member | None:
    hint = attribute.annotation
    wrapper = hint.canonical_path.rpartition(".")[2] if isinstance(hint, griffe.ExprSubscript) else ""
    if wrapper == "ClassVar":
        return None
    value = attribute.value
    required = value is None and wrapper != "NotRequired" and (total or wrapper == "Required")
    call = value if isinstance(value, griffe.ExprCall) and value.canonical_path in _NO_DEFAULT else None
    default = literal(modules, value)
    if call is not None:
        given, default = _call_default(modules, call)
        required = not given
    return Member(attribute.name, hint, owner, required=required, default=default, description=text, call=call)


def _call_default(modules: SourceModules, call: griffe.ExprCall) -> tuple[bool, Any]:
    """Returns whether `Field(…)` gives a default, and which."""
    for argument in call.arguments:
        if isinstance(argument, griffe.ExprKeyword):
            if argument.name == "default":
                return str(argument.value) != "...", literal(modules, argument.value)
            if argument.name == "default_factory":
                return True, {"list": [], "dict": {}}.get(str(argument.value), NOT_LITERAL)
        elif call.canonical_path == "pydantic.Field":
            return str(argument) != "...", literal(modules, argument)
    return False, NOT_LITERAL


def _lineage(modules: SourceModules, found: griffe.Class) -> Iterator[griffe.Class]:
    """Yields the class and its bases among the sources, nearest first."""
    waiting, seen = [found], {found.path}
    while waiting and len(seen) < _MAX_BASES:
        current = waiting.pop(0)
        yield current
        for path in _base_paths(current):
            base = modules.find(path)
            if isinstance(base, griffe.Class) and base.path not in seen:
                seen.add(base.path)
                waiting.append(base)


def _base_paths(found: griffe.Class) -> list[str]:
    return [base.canonical_path if isinstance(base, griffe.Expr) else str(base) for base in found.bases]
