"""Whether an object is what was applied. Pure."""

from __future__ import annotations

from typing import Any, cast


def covers(there: Any, wanted: Any) -> bool:
    """Returns whether all that is wanted is there, whatever others or the API server have added.

    Lists are compared entry by entry, in their order: Kubernetes keeps the order of those that are applied.
    """
    if isinstance(wanted, dict):
        entries = cast("dict[str, Any]", wanted)
        if not isinstance(there, dict):
            return not entries and there is None  # an empty object may be left out
        found = cast("dict[str, Any]", there)
        return all(covers(found.get(key), value) for key, value in entries.items())
    if isinstance(wanted, list):
        items = cast("list[Any]", wanted)
        if not isinstance(there, list):
            return not items and there is None
        found_items = cast("list[Any]", there)
        return len(found_items) == len(items) and all(map(covers, found_items, items))
    return bool(there == wanted)
