"""Examples that go into a signature: they are there to be read, so they are small and can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from kea_openapi.signature import Example

from kea_sdk.plain import is_finite

MAX_VALUES = 2048
"""Numbers, texts and the like of one side of a call. An image's would drown the docs, and outgrow a message."""


def shown(inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None) -> Example | None:
    """Returns a call as an example, or None where its inputs are too large or are no JSON; the docs then make one."""
    if not _fits(inputs):
        return None
    return Example(inputs, outputs if outputs is not None and _fits(outputs) else None)


def _fits(values: Mapping[str, Any]) -> bool:
    return _count(values) <= MAX_VALUES and is_finite(values)


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_count, cast("dict[str, Any]", value).values()))
    return sum(map(_count, cast("list[Any]", value))) if isinstance(value, list) else 1
