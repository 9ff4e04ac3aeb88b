"""Docstrings in Google, NumPy and Sphinx style: what they say of a method, its parameters and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import griffe

MAX_CHARACTERS = 16_384
"""Longest description kept, as the registry's bounds have it."""


@dataclass(frozen=True, slots=True)
class Documentation:
    """What a docstring says."""

    text: str = ""
    members: dict[str, str] = field(default_factory=dict[str, str])
    """Descriptions of parameters and attributes, by name."""
    returns: str = ""


def documentation(docstring: griffe.Docstring | None) -> Documentation:
    """Reads a docstring; one in no known style is all text."""
    if docstring is None:
        return Documentation()
    texts: list[str] = []
    members: dict[str, str] = {}
    returns: list[str] = []
    for section in griffe.parse_auto(docstring, method="heuristics", default="google"):
        value: Any = section.value
        match section.kind:
            case griffe.DocstringSectionKind.text:
                texts.append(str(value))
            case (
                griffe.DocstringSectionKind.parameters
                | griffe.DocstringSectionKind.other_parameters
                | griffe.DocstringSectionKind.attributes
            ):
                members |= {entry.name.strip("`*"): _tidy(_with_type(entry)) for entry in _documented(value)}
            case griffe.DocstringSectionKind.returns:
                returns += [entry.description for entry in cast("list[griffe.DocstringReturn]", value)]
            case _:
                continue
    return Documentation(_tidy("\n\n".join(texts)), members, _tidy("\n".join(returns)))


def _documented(value: Any) -> list[griffe.DocstringParameter]:
    """Returns the entries of a section. A NumPy entry may name several: `x, y : float`."""
    entries: list[griffe.DocstringParameter] = []
    for entry in cast("list[griffe.DocstringParameter]", value):
        names = [name.strip() for name in entry.name.split(",")]
        entries += [
            griffe.DocstringParameter(name, annotation=entry.annotation, description=entry.description)
            for name in names
        ]
    return entries


def _with_type(entry: griffe.DocstringParameter) -> str:
    """Returns the description, and before it the type's words where they say more than a type, such as a shape."""
    annotation = str(entry.annotation or "")
    return f"{annotation}. {entry.description}" if "shape" in annotation else entry.description


def _tidy(text: str) -> str:
    return text.strip()[:MAX_CHARACTERS]
