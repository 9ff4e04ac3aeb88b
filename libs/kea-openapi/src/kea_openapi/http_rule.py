"""Paths of `google.api.http`: in `/api/v1/{name=projects/*/models/*}:verb` each `*` is a parameter."""

from __future__ import annotations

import re
from dataclasses import dataclass

from google.api import http_pb2

_VARIABLE = re.compile(r"\{([a-z0-9_.]+)(?:=([^}]+))?\}")


@dataclass(frozen=True, slots=True)
class PathParameter:
    """One variable segment of a path."""

    name: str
    field: str
    """Field path of the request that it is part of, for example `deployment.name`."""
    pattern: str
    """What the field then reads, for example `projects/{project}/models/{model}`."""


@dataclass(frozen=True, slots=True)
class HttpPath:
    """How a method is called over HTTP."""

    verb: str
    """Lower-case HTTP verb."""
    path: str
    """Path of OpenAPI, each variable segment a parameter."""
    parameters: tuple[PathParameter, ...]
    body: str
    """Field that is the body; `*`: all that is not in the path; empty: there is none."""

    @property
    def fields(self) -> frozenset[str]:
        """Top-level fields of the request that the path sets as a whole."""
        return frozenset(parameter.field for parameter in self.parameters if "." not in parameter.field)


def http_path(rule: http_pb2.HttpRule) -> HttpPath:
    """Reads a rule.

    Raises:
        ValueError: it is of a kind that KEA does not use.
    """
    verb = rule.WhichOneof("pattern")
    if verb is None or verb == "custom":
        problem = f"a rule needs one of get, put, post, patch and delete, not {verb}"
        raise ValueError(problem)
    parameters: list[PathParameter] = []

    def expand(match: re.Match[str]) -> str:
        field, template = match[1], match[2] or "*"
        segments = template.split("/")
        named = [
            f"{{{_singular(segments[place - 1]) if place else field}}}" if segment == "*" else segment
            for place, segment in enumerate(segments)
        ]
        pattern = "/".join(named)
        parameters.extend(PathParameter(segment[1:-1], field, pattern) for segment in named if segment.startswith("{"))
        return pattern

    path = _VARIABLE.sub(expand, getattr(rule, verb))
    return HttpPath(verb, path, tuple(parameters), rule.body)


def _singular(collection: str) -> str:
    """Returns the singular of a collection's id; KEA's are all regular."""
    return collection.removesuffix("s")
