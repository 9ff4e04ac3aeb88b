"""Settings of the audit log."""

from __future__ import annotations

from dataclasses import dataclass

from kea_core.settings import SettingsError

SMALLEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """Where audit events come in, and how long they are kept."""

    directory: str = ""
    """Where they are kept; each process of auth that uses it at the same time has a chain of its own in it. Empty: none
    are kept."""
    otlp_address: str = ""
    """Where OTLP logs are received: `unix:PATH` or `HOST:PORT`. It asks for no token: it must be reachable for Envoys
    and KEA's services only, by mutual TLS where auth has certificates."""
    forward_address: str = ""
    """Where auth sends what it has to tell itself where it keeps no log: a company's collector, `unix:PATH` or
    `HOST:PORT`. Empty: nowhere."""
    retention_seconds: float = 90 * 86_400.0
    """How long events are kept, by segment: up to a day longer."""
    max_bytes: int = 10 * 1024**3
    """Bytes that one chain may have, at least 67108864. Where there are more, the oldest segments are deleted before
    their time, which is counted and logged."""

    @property
    def reported(self) -> bool:
        """Whether there is an audit log, here or elsewhere."""
        return bool(self.directory or self.forward_address)

    def __post_init__(self) -> None:
        if self.directory and self.forward_address:
            problem = "directory and forward_address are both set; expected one of them"
            raise SettingsError(problem)
        if self.retention_seconds <= 0:
            problem = f"retention_seconds is {self.retention_seconds}; expected more than 0"
            raise SettingsError(problem)
        if self.max_bytes < SMALLEST:
            problem = f"max_bytes is {self.max_bytes}; expected at least {SMALLEST}"
            raise SettingsError(problem)
        if self.otlp_address and not self.directory:
            problem = "otlp_address is set, and no directory to keep what is received"
            raise SettingsError(problem)
