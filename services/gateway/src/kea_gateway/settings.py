"""The portal's settings (prefix `KEA_GATEWAY`). Envoy's are in `kea_gateway.envoy`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kea_core.settings import DrainSettings, SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Where the portal listens and whom it asks."""

    http_address: str
    """Where it serves pages and documents: `unix:PATH` or `HOST:PORT`. Envoy is its only client."""
    grpc_address: str
    """Where it serves gRPC reflection for all services: `unix:PATH` or `HOST:PORT`."""
    auth_address: str
    """Where auth serves."""
    registry_address: str
    """Where the registry serves; signatures are read there."""
    deployer_address: str
    """Where the deployer serves."""
    router_address: str
    """Where the router serves; endpoints are read there."""
    credential_file: Path
    """File with the secret of service account `portal`."""
    login: bool = False
    """Whether people can log in at `/login`, so that pages say who has, and lead there."""
    private_docs: bool = False
    """Whether docs show a model only to those who may call it. Envoy lets nobody to them without a token where the
    router has the setting of the same name, so the two belong together."""
    tls_directory: str = ""
    """Directory with `tls.crt`, `tls.key` and `ca.crt`, which may be renewed at any time. With it the service serves
    and calls `HOST:PORT` by mutual TLS. Empty: in plaintext."""
    health_address: str = ""
    """Where it also answers gRPC's health protocol, and nothing else, always in plaintext. Empty: nowhere."""
    drain: DrainSettings = field(default_factory=DrainSettings)
    """How it stops."""

    def __post_init__(self) -> None:
        if self.tls_directory and not self.http_address.startswith("unix:"):
            problem = f"http_address is {self.http_address}; expected unix:PATH with tls_directory"
            raise SettingsError(problem)
