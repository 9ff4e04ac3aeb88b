"""JSON Schema 2020-12, compiled once: values that are not tensors."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, NoReturn

import jsonschema_rs

from kea_runtime.errors import MAX_VIOLATIONS, InvalidRequest, Path, Violation, invalid

MAX_DEPTH = 64
"""Levels of arrays and objects in one value. Recursive schemas would otherwise recurse as deep as a caller likes."""

_MAX_DETAIL = 240
"""Characters of a violation's text: it quotes the value, which may be megabytes."""


class JsonSchema:
    """A compiled schema. Regular expressions run in linear time, and no reference leaves the schema."""

    __slots__ = ("_validator", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._validator = jsonschema_rs.Draft202012Validator(
            dict(schema),
            validate_formats=True,
            retriever=_refuse,
            pattern_options=jsonschema_rs.RegexOptions(),
        )

    def check(self, value: Any, path: Path = ()) -> None:
        """Checks one value.

        Raises:
            InvalidRequest: with a pointer for each violation.
        """
        if _deeper_than(value, MAX_DEPTH):
            raise invalid(path, "is nested too deep", f"at most {MAX_DEPTH} levels")
        if self._validator.is_valid(value):
            return
        with _findable():
            violations = [
                Violation((*path, *error.instance_path), _shortened(error.message), _expected(error.kind))
                for error in islice(self._validator.iter_errors(value), MAX_VIOLATIONS)
            ]
        raise InvalidRequest(violations)


@contextmanager
def _findable() -> Generator[None, None, None]:
    """Lets the library find itself, which it does by name whenever it makes an error.

    By then the layer is hidden (`kea_runtime.bootstrap`), and the name the model's, if it has such a package.
    """
    name = jsonschema_rs.__name__
    models = sys.modules.get(name)
    sys.modules[name] = jsonschema_rs
    try:
        yield
    finally:
        if models is None:
            del sys.modules[name]
        else:
            sys.modules[name] = models


def _refuse(uri: str) -> NoReturn:
    message = f"references outside the schema are not followed: {uri}"
    raise ValueError(message)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL else f"{text[: _MAX_DETAIL // 2]} … {text[-_MAX_DETAIL // 2 :]}"


def _expected(kind: object) -> str:
    """Returns the types that were allowed, where the type was the trouble; other messages say what was expected."""
    types = getattr(kind, "types", None)
    return " or ".join(map(str, types)) if types else ""


def _deeper_than(value: Any, limit: int) -> bool:
    """Returns whether containers nest deeper than `limit`; level by level, so that no depth can exhaust the stack."""
    if not isinstance(value, dict | list):
        return False
    level: list[Any] = [value]
    for _ in range(limit):
        below: list[Any] = []
        for container in level:
            entries: Any = container.values() if type(container) is dict else container
            below += [entry for entry in entries if type(entry) is dict or type(entry) is list]
        if not below:
            return False
        level = below
    return True
