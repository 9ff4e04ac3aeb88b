"""Settings of the registry."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings, SettingsError

PREFIX = "KEA_REGISTRY"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Everything the registry can be told."""

    address: str
    """Where it serves gRPC: `unix:PATH` or `HOST:PORT`."""
    auth_address: str
    """Where auth serves, whose keys verify tokens and whose policy says what they may do."""
    credential_file: Path
    """File with the secret of service account `registry`."""
    database: DatabaseSettings
    """Where it keeps models and versions."""
    artifacts_url: str
    """Where it keeps archives: a directory, or any fsspec URL such as `file:///data/artifacts`."""
    max_artifact_bytes: int = 16 * 1024**3
    """Largest archive that may be uploaded, in bytes."""
    orphan_age_seconds: float = 3600.0
    """How long something half-done is left alone: an upload that does not write for so long is taken for dead."""
    sweep_seconds: float = 600.0
    """How often it looks for what dead uploads left behind."""
    audit_address: str = ""
    """Where audit events are sent as OTLP: auth's own receiver or a company's collector. Empty: there are none."""
    tls_directory: str = ""
    """Directory with `tls.crt`, `tls.key` and `ca.crt`, which may be renewed at any time. With it the service serves
    and calls `HOST:PORT` by mutual TLS. Empty: in plaintext."""
    health_address: str = ""
    """Where it also answers gRPC's health protocol, and nothing else, always in plaintext. Empty: nowhere."""
    drain: DrainSettings = field(default_factory=DrainSettings)
    """How it stops."""

    def __post_init__(self) -> None:
        for name in ("max_artifact_bytes", "orphan_age_seconds", "sweep_seconds"):
            value = getattr(self, name)
            if value <= 0:
                problem = f"{name} is {value}; expected more than 0"
                raise SettingsError(problem)
