"""Permissions, and the patterns that grant them.

A permission is `service.resource.verb`; a grant is a permission, or a pattern in which `*` stands for one part.
"""

from __future__ import annotations

from collections.abc import Iterable

INVOKE = "router.endpoints.invoke"
"""Permission to call models: the gateway's to decide."""


def matches(grant: str, permission: str) -> bool:
    """Returns whether a grant gives a permission, or all that another grant gives."""
    given, wanted = grant.split("."), permission.split(".")
    return len(given) == len(wanted) and all(g in ("*", w) for g, w in zip(given, wanted, strict=True))


def grants(given: Iterable[str], permission: str) -> bool:
    """Returns whether any of the grants gives the permission."""
    return any(matches(grant, permission) for grant in given)


def covers(given: Iterable[str], wanted: Iterable[str]) -> bool:
    """Returns whether each of the wanted grants lies within a given one."""
    held = tuple(given)
    return all(grants(held, grant) for grant in wanted)
