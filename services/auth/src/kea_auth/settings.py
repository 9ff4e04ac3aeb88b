"""Settings of auth."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings, SettingsError

from kea_auth.audit.settings import AuditSettings
from kea_auth.domain.claims import LONGEST_TTL
from kea_auth.login.settings import LoginSettings

PREFIX = "KEA_AUTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Everything auth can be told."""

    address: str
    """Where it serves gRPC: `unix:PATH` or `HOST:PORT`."""
    database: DatabaseSettings
    """Where it keeps the signing keys, private halves included, and who may do what: nobody else may read or write
    it."""
    service_credentials_directory: Path
    """A file per service account: its name is the account's id, its content the secret. Files that other users may
    read, or the group may write, are refused. Read at every exchange, so secrets may be changed at any time."""
    bootstrap_token_file: str = ""
    """Where it keeps a token of `users/admin` for whoever may read the file. Empty: it makes none."""
    activation_delay_seconds: float = 5.0
    """Time between publishing a new key and signing with it. Must exceed what a key set takes to reach every
    verifier."""
    rotate_after_seconds: float = 30 * 86_400.0
    """How long a key signs before the next is made."""
    service_token_ttl_seconds: float = 3600.0
    """How long a service account's token is accepted; at most 86400."""
    bootstrap_token_ttl_seconds: float = 86_400.0
    """How long the bootstrap token is accepted, at most 86400; it is replaced after half of that."""
    upkeep_seconds: float = 10.0
    """How often it looks whether keys are due, and what has expired."""
    audit: AuditSettings = field(default_factory=AuditSettings)
    """What is done with audit events."""
    login: LoginSettings = field(default_factory=LoginSettings)
    """How people log in."""
    tls_directory: str = ""
    """Directory with `tls.crt`, `tls.key` and `ca.crt`, which may be renewed at any time. With it auth serves at
    `HOST:PORT` by mutual TLS. Empty: in plaintext."""
    health_address: str = ""
    """Where it also answers gRPC's health protocol, and nothing else, always in plaintext. Empty: nowhere."""
    drain: DrainSettings = field(default_factory=DrainSettings)
    """How it stops."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if not isinstance(value, float):
                continue
            may_be_zero = entry.name == "activation_delay_seconds"
            if value < 0.0 or (not value and not may_be_zero):
                problem = f"{entry.name} is {value}; expected more than 0"
                raise SettingsError(problem)
            if "_ttl_" in entry.name and value > LONGEST_TTL.total_seconds():
                problem = f"{entry.name} is {value}; expected at most {LONGEST_TTL.total_seconds():.0f}"
                raise SettingsError(problem)
