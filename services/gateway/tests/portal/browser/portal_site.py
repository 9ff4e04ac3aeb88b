"""The portal as a browser finds it in tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Site:
    """The portal, and a model beside it, on a port of their own."""

    origin: str
    calls: list[tuple[str | None, Any]] = field(default_factory=list[tuple[str | None, Any]])
    """Authorization header and body of each call of the model."""
