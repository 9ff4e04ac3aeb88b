"""What a replica wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line."""

    time: datetime
    """When it was read."""
    replica: str
    """Id of the replica; empty for what the deployer says of the deployment."""
    text: str
    """Without its end."""
