"""JSON Schema from type hints, read from their expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import griffe

from kea_openapi.array_hints import ARRAYS, NUMPY, Hint, Scope, arguments, unquoted
from kea_openapi.schema import element_schema
from kea_openapi.source_literals import NotLiteral, literal
from kea_openapi.source_modules import SourceModules
from kea_openapi.source_records import constraints, record_schema

Json = dict[str, Any]

MAX_DEPTH = 32
MAX_DEFINITIONS = 256

_PLAIN: Mapping[str, Json] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "list": {"type": "array"},
    "tuple": {"type": "array"},
    "set": {"type": "array", "uniqueItems": True},
    "frozenset": {"type": "array", "uniqueItems": True},
    "dict": {"type": "object"},
    "object": {},
    "typing.Any": {},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.time": {"type": "string", "format": "time"},
    "datetime.timedelta": {"type": "string", "format": "duration"},
    "uuid.UUID": {"type": "string", "format": "uuid"},
    "decimal.Decimal": {"type": "number"},
    "pathlib.Path": {"type": "string"},
}
_LISTS = frozenset({"list", "Sequence", "MutableSequence", "Iterable", "Collection", "deque", "List", "Deque"})
_SETS = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
_DICTS = frozenset({"dict", "Mapping", "MutableMapping", "Dict", "OrderedDict", "defaultdict", "DefaultDict"})


class UnresolvedError(Exception):
    """A hint, or a part of one, that has no schema; the text is the rest of a sentence about it."""


@dataclass(slots=True)
class Hints:
    """Reads the hints of one field: records it meets become `$defs` of one schema.

    Args:
        modules: where classes are looked up.
        gaps: takes what could not be resolved; the part gets the schema `{}`.
    """

    modules: SourceModules
    gaps: list[str]
    definitions: Json = field(default_factory=dict[str, Any])
    _names: dict[str, str] = field(default_factory=dict[str, str])

    def schema(self, hint: Hint, scope: Scope) -> Json:
        """Returns the whole schema of a hint, with its `$defs`."""
        schema = self.part(hint, scope, 0)
        return {**schema, "$defs": self.definitions} if self.definitions else schema

    def part(self, hint: Hint, scope: Scope, depth: int) -> Json:
        """Returns the schema of a part of a hint; `{}`, and a gap, where it has none."""
        try:
            return self._read(unquoted(hint, scope), scope, depth)
        except UnresolvedError as error:
            if str(error) not in self.gaps:
                self.gaps.append(str(error))
            return {}

    def _read(self, hint: Hint, scope: Scope, depth: int) -> Json:
        if depth > MAX_DEPTH:
            problem = "its type hint is nested too deep"
            raise UnresolvedError(problem)
        match hint:
            case griffe.ExprBinOp(operator="|"):
                return self.union(_flat_union(hint), scope, depth)
            case griffe.ExprSubscript():
                return self._generic(hint, scope, depth)
            case griffe.ExprName() | griffe.ExprAttribute():
                return self._named(hint.canonical_path, depth)
            case str():
                return self._named(hint, depth)
            case _:
                problem = f"its type hint `{_brief(hint)}` is not understood"
                raise UnresolvedError(problem)

    def _named(self, path: str, depth: int) -> Json:
        short = path.rpartition(".")[2]
        if path.startswith(("typing.", "collections.")) and short in _GENERICS:
            path = "dict" if short in _DICTS else "set" if short in _SETS else "list"
        if path in _PLAIN:
            return dict(_PLAIN[path])
        if path.startswith("numpy.") and short in NUMPY:
            return element_schema(NUMPY[short])
        return {"type": "array"} if path in ARRAYS else self._defined(path, depth)

    def _defined(self, path: str, depth: int) -> Json:
        """Returns the schema of what the sources define under a name."""
        found = self.modules.find(path)
        if isinstance(found, griffe.Class):
            return self._record(found, depth)
        if isinstance(found, griffe.Attribute) and found.value is not None:
            return self._alias(found, depth)
        if isinstance(found, griffe.TypeAlias) and isinstance(found.parent, griffe.Module):
            return self.part(found.value, found.parent, depth + 1)
        problem = f"its type `{path}` cannot be resolved from the source"
        raise UnresolvedError(problem)

    def _alias(self, found: griffe.Attribute, depth: int) -> Json:
        """Returns the schema of what a name was assigned: another hint, or a NewType."""
        scope = found.parent if isinstance(found.parent, griffe.Module | griffe.Class) else found.module
        value = found.value
        if isinstance(value, griffe.ExprCall):
            if value.canonical_path == "typing.NewType" and len(value.arguments) > 1:
                return self.part(value.arguments[1], scope, depth + 1)
            problem = f"its type `{found.path}` is made by a call"
            raise UnresolvedError(problem)
        return self._read(unquoted(value, scope), scope, depth + 1)

    def _generic(self, hint: griffe.ExprSubscript, scope: Scope, depth: int) -> Json:
        path = hint.canonical_path
        if path in ARRAYS:
            return {"type": "array"}
        reader = _GENERICS.get(path.rpartition(".")[2])
        if reader is None:
            problem = f"its type `{_brief(hint)}` cannot be resolved from the source"
            raise UnresolvedError(problem)
        return reader(self, arguments(hint), scope, depth)

    def first(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads what a wrapper such as `Required[…]` wraps."""
        return self.part(items[0], scope, depth + 1)

    def last(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads what a coroutine gives."""
        return self.part(items[-1], scope, depth + 1)

    def array(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads a list of any length."""
        return {"type": "array", "items": self.part(items[0], scope, depth + 1)}

    def unique(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads a set."""
        return {"type": "array", "uniqueItems": True, "items": self.part(items[0], scope, depth + 1)}

    def mapping(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads a dict; its keys are text, as JSON's are."""
        return {"type": "object", "additionalProperties": self.part(items[-1], scope, depth + 1)}

    def optional(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads `Optional[…]`."""
        return self.union([*items, "None"], scope, depth)

    def enumerated(self, items: list[Hint], scope: Scope, depth: int) -> Json:  # noqa: ARG002 - as the others
        """Reads `Literal[…]`."""
        values = [literal(self.modules, item) for item in items]
        if any(isinstance(value, NotLiteral) for value in values):
            problem = "its Literal has values that are not literals"
            raise UnresolvedError(problem)
        return {"enum": values}

    def annotated(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads `Annotated[…]` with pydantic's constraints."""
        schema = self.part(items[0], scope, depth + 1)
        for extra in items[1:]:
            if isinstance(extra, griffe.ExprCall):
                schema |= constraints(self.modules, extra)
        return schema

    def fixed(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads a tuple."""
        if items and str(items[-1]) == "...":
            return {"type": "array", "items": self.part(items[0], scope, depth + 1)}
        parts = [self.part(item, scope, depth + 1) for item in items if str(item) != "()"]
        bounds: Json = {"minItems": len(parts), "maxItems": len(parts)}
        return {"type": "array", **({"prefixItems": parts} if parts else {}), **bounds}

    def union(self, items: list[Hint], scope: Scope, depth: int) -> Json:
        """Reads alternatives."""
        parts: list[Json] = []
        for item in items:
            part = self.part(item, scope, depth + 1)
            if not part:
                return {}  # it may be anything, whatever else it may be
            if part not in parts:
                parts.append(part)
        return parts[0] if len(parts) == 1 else {"anyOf": parts}

    def _record(self, found: griffe.Class, depth: int) -> Json:
        name = self._names.get(found.path)
        if name is None:
            if len(self.definitions) >= MAX_DEFINITIONS:
                problem = f"its type is made of more than {MAX_DEFINITIONS} classes"
                raise UnresolvedError(problem)
            name = found.name
            while name in self.definitions:
                name += "_"
            self._names[found.path] = name
            self.definitions[name] = {}  # holds the name while the class's own members are read
            schema = record_schema(self.modules, found, lambda hint, scope: self.part(hint, scope, depth + 1))
            if schema is None:
                del self.definitions[name], self._names[found.path]
                problem = (
                    f"its type `{found.path}` is a class that is neither dataclass, TypedDict, NamedTuple, enum nor"
                )
                problem += " pydantic model"
                raise UnresolvedError(problem)
            self.definitions[name] = schema
        return {"$ref": f"#/$defs/{name}"}


_GENERICS: Mapping[str, Callable[[Hints, list[Hint], Scope, int], Json]] = {
    **dict.fromkeys(_LISTS, Hints.array),
    **dict.fromkeys(_SETS, Hints.unique),
    **dict.fromkeys(_DICTS, Hints.mapping),
    **dict.fromkeys(("Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "InitVar", "Awaitable"), Hints.first),
    "Coroutine": Hints.last,
    "Annotated": Hints.annotated,
    "Literal": Hints.enumerated,
    "Optional": Hints.optional,
    "Union": Hints.union,
    "tuple": Hints.fixed,
    "Tuple": Hints.fixed,
}
"""Generic types by the last part of their name: `typing`, `collections.abc` and `typing_extensions` agree on it."""


def _flat_union(hint: griffe.ExprBinOp) -> list[Hint]:
    items: list[Hint] = []
    current: Hint = hint
    while isinstance(current, griffe.ExprBinOp) and current.operator == "|":
        items.append(current.right)
        current = current.left
    return [current, *reversed(items)]


def _brief(hint: Hint) -> str:
    text = str(cast("object", hint))
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - a line of text
