"""What the parts of a model's document share while it is being made: names, schemas and what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from kea_openapi.schema import field_schema
from kea_openapi.signature import Field, Method, Signature

Json = dict[str, Any]

_LITERAL_KEYWORDS = frozenset({"const", "default", "enum", "example", "examples"})
"""Keywords whose values are data: a `$ref` in there is no reference."""

_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelApi:
    """A served model, as its document tells of it."""

    name: str
    """Id of the endpoint: what callers write for the model."""
    version: int
    signature: Signature
    project: str = "default"
    framework: str = ""
    description: str = ""
    server_url: str = "/"
    """Where the gateway answers: absolute, or relative to the document."""
    limits: tuple[str, ...] = ()
    """What its endpoint takes at most, a phrase for each limit (`limits_text`)."""

    @property
    def prefix(self) -> str:
        """What all paths begin with: nothing in project `default`."""
        return "" if self.project == "default" else f"/projects/{self.project}"

    def address(self, method: Method) -> str:
        """Returns the model name that means this method in protocols without methods."""
        return self.name if method.name == self.signature.default_method else f"{self.name}.{method.name}"


@dataclass(slots=True)
class Draft:
    """The document in the making."""

    api: ModelApi
    schemas: Json = field(default_factory=dict[str, Any])
    incomplete: list[str] = field(default_factory=list[str])
    typed: dict[str, tuple[Json, Json]] = field(default_factory=dict[str, tuple[Json, Json]])
    """Per method the references to its typed request and response, which other protocols share."""
    _taken_ids: set[str] = field(default_factory=set[str])
    _taken_schemas: set[str] = field(default_factory=set[str])

    def operation_id(self, wanted: str) -> str:
        """Returns the id, with a number where it is taken. Case does not tell ids apart: generators change it."""
        return _unique(wanted, self._taken_ids)

    def add_schema(self, wanted: str, schema: Json) -> Json:
        """Adds a schema under a name like the one wanted, and returns the reference to it."""
        name = _unique(wanted, self._taken_schemas)
        self.schemas[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    def object_schema(self, name: str, fields: Iterable[Field], description: str) -> Json:
        """Adds the schema of an object with a property per field, and returns the reference to it."""
        known = tuple(fields)
        schema: Json = {"type": "object", "description": description}
        schema["properties"] = {entry.name: self.property_schema(name, entry) for entry in known}
        required = [entry.name for entry in known if entry.required]
        if required:
            schema["required"] = required
        schema["additionalProperties"] = False
        return self.add_schema(name, schema)

    def property_schema(self, owner: str, entry: Field) -> Json:
        """Returns the schema of one field inside the document, with its description and default."""
        schema = self._hoisted(f"{owner}{pascal(entry.name)}", field_schema(entry), f"{owner}.{entry.name}")
        if entry.description:
            schema["description"] = entry.description
        if not entry.required and (entry.default is not None or "null" in _types(schema)):
            schema["default"] = entry.default
        return schema

    def _hoisted(self, name: str, schema: Json, where: str) -> Json:
        """Moves a schema that refers to itself under `components`, for its references would point elsewhere here."""
        plain = {key: value for key, value in schema.items() if key not in {"$schema", "$id"}}
        if not _refers(plain, 0):
            return plain
        definitions = cast("Json", plain.pop("$defs", {}))
        own = _unique(name, self._taken_schemas)
        names = {key: _unique(f"{name}{pascal(key)}", self._taken_schemas) for key in definitions}
        mapping = _References(own, names, self.incomplete, where)
        for key, definition in definitions.items():
            self.schemas[names[key]] = mapping.rewrite(definition, 0)
        rewritten = cast("Json", mapping.rewrite(plain, 0))
        if not mapping.root_used:
            self._taken_schemas.discard(own.casefold())
            return rewritten
        self.schemas[own] = rewritten
        return {"$ref": f"#/components/schemas/{own}"}


class _References:
    """Rewrites references into a schema to references into the document."""

    def __init__(self, own: str, definitions: Mapping[str, str], incomplete: list[str], where: str) -> None:
        self._own = own
        self._definitions = definitions
        self._incomplete = incomplete
        self._where = where
        self.root_used = False

    def rewrite(self, value: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return {}
        if isinstance(value, list):
            return [self.rewrite(entry, depth + 1) for entry in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        rewritten: Json = {}
        for key, entry in cast("Json", value).items():
            if key == "$ref" and isinstance(entry, str):
                rewritten |= self._target(entry)
            elif key in _LITERAL_KEYWORDS:
                rewritten[key] = entry
            else:
                rewritten[key] = self.rewrite(entry, depth + 1)
        return rewritten

    def _target(self, reference: str) -> Json:
        if not reference.startswith("#"):
            # A page that follows it would fetch from wherever a model's author says.
            self._incomplete.append(f"{self._where}: the reference {reference} leaves the schema and is not shown.")
            return {}
        head, _, rest = reference.removeprefix("#/$defs/").partition("/")
        if reference.startswith("#/$defs/") and head in self._definitions:
            return {"$ref": "/".join(filter(None, ("#/components/schemas", self._definitions[head], rest)))}
        self.root_used = True
        return {"$ref": f"#/components/schemas/{self._own}{reference.removeprefix('#')}"}


def pascal(name: str) -> str:
    """Returns a name in PascalCase, of the characters that component names may have."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    return "".join(word[0].upper() + word[1:] for word in words) or "Value"


def _unique(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 1
    while name.casefold() in taken:
        count += 1
        name = f"{wanted}{count}"
    taken.add(name.casefold())
    return name


def _types(schema: Mapping[str, Any]) -> list[Any]:
    kind = schema.get("type")
    if isinstance(kind, list):
        return cast("list[Any]", kind)
    return [kind] if kind else [entry.get("type") for entry in schema.get("anyOf", ()) if isinstance(entry, dict)]


def _refers(value: Any, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return True
    if isinstance(value, list):
        return any(_refers(entry, depth + 1) for entry in cast("list[Any]", value))
    if not isinstance(value, dict):
        return False
    known = cast("Json", value)
    if isinstance(known.get("$ref"), str):
        return True
    return any(_refers(entry, depth + 1) for key, entry in known.items() if key not in _LITERAL_KEYWORDS)
