"""Values written in source code as literals: defaults, members of enumerations, arguments of `Field(…)`."""

from __future__ import annotations

import ast
import json
from typing import Any, Final, cast

import griffe

from kea_openapi.source_modules import SourceModules

_MAX_CHARACTERS = 65_536
_MAX_DEPTH = 8


class NotLiteral:
    """Says that a value cannot be known without running code."""


NOT_LITERAL: Final = NotLiteral()


def literal(modules: SourceModules, value: griffe.Expr | str | None, depth: int = 0) -> Any:
    """Returns an expression's value as JSON, or `NOT_LITERAL`. Constants and enumeration members are followed."""
    if value is None or depth > _MAX_DEPTH:
        return NOT_LITERAL
    if isinstance(value, griffe.ExprName | griffe.ExprAttribute):
        return _named(modules, value.canonical_path, depth)
    text = str(value)
    if len(text) > _MAX_CHARACTERS:
        return NOT_LITERAL
    try:
        return _as_json(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return NOT_LITERAL


def enum_values(modules: SourceModules, enum: griffe.Class) -> list[Any] | None:
    """Returns the values of an enumeration's members, or None where one is not written as a literal."""
    values: list[Any] = []
    lower = any("StrEnum" in str(base) for base in enum.bases)
    for name, member in enum.members.items():
        if not isinstance(member, griffe.Attribute) or name.startswith("_") or member.value is None:
            continue
        if isinstance(member.value, griffe.ExprCall) and member.value.canonical_path == "enum.auto":
            value: Any = name.lower() if lower else len(values) + 1
        else:
            value = literal(modules, member.value)
        if isinstance(value, NotLiteral):
            return None
        values.append(value)
    return values or None


def _named(modules: SourceModules, path: str, depth: int) -> Any:
    found = modules.find(path)
    if not isinstance(found, griffe.Attribute):
        return NOT_LITERAL
    owner = found.parent
    if isinstance(owner, griffe.Class) and isinstance(found.value, griffe.ExprCall):
        values = enum_values(modules, owner) or []
        names = [name for name, member in owner.members.items() if isinstance(member, griffe.Attribute)]
        index = names.index(found.name)
        return values[index] if len(values) == len(names) else NOT_LITERAL
    return literal(modules, found.value, depth + 1)


def _as_json(value: Any) -> Any:
    """Returns the value with JSON's types; what JSON does not have is no literal here."""
    plain = _plain(value)
    try:
        json.dumps(plain, allow_nan=False)
    except (ValueError, TypeError):
        return NOT_LITERAL
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted((_plain(entry) for entry in cast("set[Any]", value)), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in cast("dict[Any, Any]", value).items()}
    return value
