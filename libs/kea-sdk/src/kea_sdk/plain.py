"""Values of numpy and pandas, and of whatever else can tell itself as lists, as plain JSON values.

None of these libraries is imported: whoever has such values has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast


def plain(value: Any) -> Any:
    """Returns a value as what `json` can write; NaN and infinity stay what they are."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[Any, Any]", value)
        return {str(key): plain(entry) for key, entry in entries.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in cast("list[Any] | tuple[Any, ...]", value)]
    if isinstance(value, bytes):
        return value.decode()
    for conversion in ("to_numpy", "toarray", "tolist"):
        convert = getattr(value, conversion, None)
        if callable(convert):
            return plain(convert())
    return value


def is_finite(value: Any) -> bool:
    """Returns whether JSON can carry a plain value: without NaN, infinity and what is no JSON at all."""
    if isinstance(value, dict):
        return all(is_finite(entry) for entry in cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        return all(is_finite(entry) for entry in cast("list[Any]", value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)
