"""The router's settings (prefix `KEA_ROUTER`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings, SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """Where the router listens and whom it follows."""

    address: str
    """Where it serves its API: `unix:PATH` or `HOST:PORT`."""
    public_address: str = ""
    """Where Envoy sends the router's API. Empty: to `address`, which then must be one that can be called, as
    `[::]:9090` is not."""
    xds_address: str
    """Where Envoy gets its configuration. A listener of its own, reachable for Envoys only: it asks for no token."""
    auth_address: str
    """Where auth serves; signing keys are followed there. Also where Envoy sends auth's API."""
    registry_address: str
    """Where Envoy sends the registry's API."""
    deployer_address: str
    """Where the deployer serves; deployments are followed there. Also where Envoy sends its API."""
    portal_http_address: str
    """Where Envoy sends requests for pages and documents."""
    portal_grpc_address: str
    """Where Envoy sends gRPC reflection."""
    database: DatabaseSettings
    """Where endpoints are kept."""
    credential_file: Path
    """File with the secret of service account `router`."""
    auth_http_address: str = ""
    """Where Envoy sends people who log in. Empty: nowhere."""
    gateways_address: str = ""
    """`HOST:PORT` of which the host stands for every gateway by an IP address of its own, the same that gateways are
    told: they share limits. Nothing connects to it. Empty: each gateway has the whole of a limit to itself."""
    private_docs: bool = False
    """Whether the docs need a session, too."""
    audit_address: str = ""
    """Where audit events are sent as OTLP: auth's own receiver or a company's collector. Empty: there are none."""
    tls_directory: str = ""
    """Directory with `tls.crt`, `tls.key` and `ca.crt`, which may be renewed at any time. With it the service serves
    and calls `HOST:PORT` by mutual TLS, xDS included, and has Envoy do the same. Empty: in plaintext."""
    health_address: str = ""
    """Where it also answers gRPC's health protocol, and nothing else, always in plaintext. Empty: nowhere."""
    drain: DrainSettings = field(default_factory=DrainSettings)
    """How it stops."""

    def __post_init__(self) -> None:
        if self.tls_directory and not self.portal_http_address.startswith("unix:"):
            problem = f"portal_http_address is {self.portal_http_address}; expected unix:PATH with tls_directory"
            raise SettingsError(problem)
