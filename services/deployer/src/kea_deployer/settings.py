"""The deployer's settings (prefix `KEA_DEPLOYER`)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings, SettingsError

from kea_deployer.builds.settings import ImageSettings
from kea_deployer.cluster.settings import ClusterSettings

GIB = 1024**3
MIB = 1024**2
LONGEST_SOCKET = 107
"""Most bytes of a unix socket's path."""
REPLICA_SOCKET = "/01234567.http"
PLATFORMS = ("local", "kubernetes")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployerSettings:
    """Where the deployer listens, whom it calls, and how replicas live."""

    address: str
    """Where it serves its API: `unix:PATH` or `HOST:PORT`."""
    auth_address: str
    """Where auth serves; signing keys are followed there, and the service's own tokens come from there."""
    registry_address: str
    """Where the registry serves; model versions come from there."""
    database: DatabaseSettings
    """Where deployments are kept."""
    credential_file: Path
    """File with the secret of service account `deployer`."""
    data_directory: Path
    """Where artifacts, environments, layers and logs are kept."""
    platform: str = "local"
    """Where replicas run: `local`, as processes of this machine, or `kubernetes`, as pods."""
    images: ImageSettings = field(default_factory=ImageSettings)
    """How models become images: for builds, and for all that platform `kubernetes` runs."""
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    """Which cluster; for platform `kubernetes`."""
    socket_directory: Path = Path()
    """Where replicas of platform `local` listen. Short: a unix socket's path has at most 107 bytes."""
    lifeline_fd: int = -1
    """Read end of the platform's lifeline. -1: one of the deployer's own, with which its replicas end."""
    keep_replicas_on_stop: bool = False
    """Whether replicas go on when the deployer stops; the next one adopts them."""
    health_interval_seconds: float = 2.0
    """Time between two looks at a replica's health."""
    health_timeout_seconds: float = 2.0
    """Longest wait for a replica's answer."""
    health_failures: int = 5
    """Checks in a row that must fail until a replica is ended; after half as many it gets no more requests."""
    start_timeout_seconds: float = 120.0
    """Longest time from a replica's start to its first answer."""
    drain_seconds: float = 10.0
    """Longest time a replica's accepted calls may still run."""
    drain_delay_seconds: float = 0.5
    """Time between publishing that a replica drains and its SIGTERM, for the data plane to hear of it."""
    max_artifact_bytes: int = 16 * GIB
    """Largest archive that is fetched."""
    max_log_bytes: int = 10 * MIB
    """Size at which a replica's log is begun anew; as much again is kept of what came before."""
    max_body_bytes: int = 128 * MIB
    """Largest request a replica takes."""
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
        for name in ("health_interval_seconds", "health_timeout_seconds", "health_failures", "start_timeout_seconds"):
            self._check(name, least=0, included=False)
        for name in ("max_artifact_bytes", "max_log_bytes", "max_body_bytes"):
            self._check(name, least=0, included=False)
        for name in ("drain_seconds", "drain_delay_seconds"):
            self._check(name, least=0, included=True)
        if self.platform not in PLATFORMS:
            problem = f"platform is {self.platform!r}; expected one of {', '.join(PLATFORMS)}"
            raise SettingsError(problem)
        if self.platform == "kubernetes":
            self._check_kubernetes()
            return
        if self.socket_directory == Path():
            problem = "socket_directory must be set for platform local"
            raise SettingsError(problem)
        if len(os.fsencode(f"{self.socket_directory}{REPLICA_SOCKET}")) > LONGEST_SOCKET:
            most = LONGEST_SOCKET - len(REPLICA_SOCKET)
            problem = f"socket_directory is {self.socket_directory}; expected a path of at most {most} bytes"
            raise SettingsError(problem)

    def _check(self, name: str, *, least: float, included: bool) -> None:
        value = getattr(self, name)
        if value < least or (value == least and not included):
            problem = f"{name} is {value}; expected {'at least' if included else 'more than'} {least}"
            raise SettingsError(problem)

    def _check_kubernetes(self) -> None:
        self.images.base_reference()
        self.images.targets()
        if not self.cluster.namespace:
            problem = "cluster.namespace must be set for platform kubernetes"
            raise SettingsError(problem)
