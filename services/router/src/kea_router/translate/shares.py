"""Splitting a whole in proportion, without loss."""

from __future__ import annotations

from collections.abc import Mapping


def shares(weights: Mapping[str, int], total: int = 10_000) -> dict[str, int]:
    """Splits `total` (basis points by default) in proportion to `weights`; the parts sum to `total`.

    A zero weight gets zero. Largest remainders are served first, then names in their order.

    Raises:
        ValueError: no weight is positive.
    """
    whole = sum(weights.values())
    if whole <= 0:
        problem = "at least one weight must be positive"
        raise ValueError(problem)
    parts = {name: weight * total // whole for name, weight in weights.items()}
    owed = total - sum(parts.values())
    for name in sorted(weights, key=lambda name: (-(weights[name] * total % whole), name))[:owed]:
        parts[name] += 1
    return parts
