"""Kubernetes' quantities: how much of a resource."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([KMGTPE]i|[numkMGTPE]|e[0-9]{1,2}|)")
_SCALE = {
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("numkMGTPE", start=-3) if power < 0},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("", "k", "M", "G", "T", "P", "E"))},
}
EXPECTED = "a quantity such as 500m, 2 or 1.5Gi"


def read_quantity(text: str) -> Decimal | None:
    """Returns how much a quantity is, or None where it is none (Kubernetes API conventions, "resource.Quantity")."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, suffix = match.groups()
    scale = Decimal(10) ** int(suffix[1:]) if suffix.startswith("e") else _SCALE[suffix]
    return Decimal(number) * scale
