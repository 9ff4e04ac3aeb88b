"""Values of numpy, pandas, the standard library, and of all else that can tell itself as lists, as plain JSON values.

None of these libraries is imported: whoever has such values has them.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from datetime import date, time
from typing import Any, cast
from uuid import UUID


def plain(value: Any) -> Any:
    """Returns a value as what `json` can write; NaN and infinity stay what they are."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[Any, Any]", value)
        return {str(key): plain(entry) for key, entry in entries.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in cast("list[Any] | tuple[Any, ...]", value)]
    if isinstance(value, date | time):  # and datetime, and pandas' timestamps, which would go without their zone
        return value.isoformat()
    for conversion in ("to_numpy", "toarray", "tolist"):
        convert = getattr(value, conversion, None)
        if callable(convert):
            return plain(_with_times(value).tolist() if conversion == "tolist" else convert())
    return _scalar(value)


def is_finite(value: Any) -> bool:
    """Returns whether JSON can carry a plain value: without NaN, infinity and what is no JSON at all."""
    if isinstance(value, dict):
        return all(is_finite(entry) for entry in cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        return all(is_finite(entry) for entry in cast("list[Any]", value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def _with_times(array: Any) -> Any:
    """Returns an array whose moments become datetimes in lists; those counted in nanoseconds would become integers."""
    return array.astype("datetime64[us]") if getattr(getattr(array, "dtype", None), "kind", "") == "M" else array


def _scalar(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, enum.Enum):
        return plain(value.value)
    return str(value) if isinstance(value, UUID) else value
