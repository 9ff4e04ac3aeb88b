"""What `kea up` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kea_core.settings import Secret

START_SECONDS = 60.0
"""Longest time until everything answers; on a quiet machine it takes about two seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """Options of `kea up`."""

    data: Path
    """Where everything is kept."""
    host: str = "127.0.0.1"
    """Address the gateway listens on. Another than loopback shows the platform to others, without TLS."""
    port: int = 8080
    """Port the gateway listens on, 1 to 65535."""
    detach: bool = False
    """Whether to return once the platform is ready and leave it running."""
    processes: bool = False
    """Whether every service is a process of its own, started again when it dies."""

    database: Secret = field(default_factory=lambda: Secret(""))
    """URL of a PostgreSQL database, in which each service has a schema of its own. Empty: SQLite files below `data`."""

    @property
    def url(self) -> str:
        """Where callers on this machine reach the platform."""
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - nothing is bound here
        return f"http://[{here}]:{self.port}" if ":" in here else f"http://{here}:{self.port}"
