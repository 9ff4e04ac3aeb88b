"""The operator's settings (prefix `KEA_OPERATOR`)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from kea_core.settings import DrainSettings, SettingsError

from kea_deployer.operator.names import ID

GIB = 1024**3
SCHEMES = ("s3", "https", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """From where artifacts are fetched, and how much of them."""

    schemes: tuple[str, ...] = ("s3", "https")
    """Which addresses are fetched, of `s3`, `https` and `file`. `file` is for machines whose files all may see."""
    file_roots: tuple[str, ...] = ()
    """Directories below which `file://` addresses must be. Must be set where `schemes` has `file`."""
    allowed_networks: tuple[str, ...] = ()
    """Networks, such as `127.0.0.0/8`, that may be spoken to though no artifact store should be there: loopback,
    link-local (where clouds keep their metadata), and addresses that are nobody's."""
    max_bytes: int = 16 * GIB
    """Largest artifact, and largest content of an archive, in bytes."""
    fetch_seconds: float = 3600.0
    """Longest time to fetch one artifact."""
    quiet_seconds: float = 30.0
    """Longest silence of a source."""
    check_seconds: float = 300.0
    """Time between two looks at whether what an address points at has changed."""

    def __post_init__(self) -> None:
        unknown = set(self.schemes) - set(SCHEMES)
        if unknown:
            problem = f"sources.schemes has {min(unknown)!r}; expected some of {', '.join(SCHEMES)}"
            raise SettingsError(problem)
        if "file" in self.schemes and not self.file_roots:
            problem = "sources.file_roots must be set where sources.schemes has file"
            raise SettingsError(problem)
        for network in self.allowed_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                problem = f"sources.allowed_networks has {network!r}: {error}"
                raise SettingsError(problem) from None
        for name in ("max_bytes", "fetch_seconds", "quiet_seconds", "check_seconds"):
            if getattr(self, name) <= 0:
                problem = f"sources.{name} is {getattr(self, name)}; expected more than 0"
                raise SettingsError(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """Which resources it turns into what, and whom it calls."""

    address: str
    """Where it answers gRPC's health protocol: `unix:PATH` or `HOST:PORT`."""
    auth_address: str
    """Where auth serves, which gives the operator its tokens."""
    registry_address: str
    """Where the registry serves."""
    deployer_address: str
    """Where the deployer serves."""
    router_address: str
    """Where the router serves."""
    credential_file: Path
    """File with the secret of service account `operator`."""
    data_directory: Path
    """Where artifacts are while they are looked at and uploaded. It is emptied at the start."""
    kubeconfig: str = ""
    """File that names the cluster. Empty: the one the operator runs in, with its service account."""
    namespaces: tuple[str, ...] = ()
    """Namespaces whose resources it looks after. Empty: all."""
    lease_namespace: str
    """Namespace of the Lease by which one operator acts at a time."""
    lease_name: str = "kea-operator"
    """Name of that Lease."""
    project: str = "default"
    """Project of namespaces that name none (annotation `ml.kea-project.io/project`)."""
    gateway_url: str = ""
    """Address of the gateway, for addresses in statuses. Empty: they are paths."""
    fetches_at_once: int = 2
    """Artifacts that are fetched and uploaded at the same time; each takes up to four times its size below
    `data_directory`."""
    resync_seconds: float = 300.0
    """Time after which a resource is looked at though nothing is known to have happened."""
    sources: SourceSettings = field(default_factory=SourceSettings)
    """From where artifacts are fetched."""
    tls_directory: str = ""
    """Directory with `tls.crt`, `tls.key` and `ca.crt`, which may be renewed at any time. With it the service serves
    and calls `HOST:PORT` by mutual TLS. Empty: in plaintext."""
    health_address: str = ""
    """Where it also answers gRPC's health protocol, and nothing else, always in plaintext. Empty: nowhere."""
    drain: DrainSettings = field(default_factory=DrainSettings)
    """How it stops."""

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.project):
            problem = f"project is {self.project!r}; expected the id of a project"
            raise SettingsError(problem)
        for name in ("fetches_at_once", "resync_seconds"):
            if getattr(self, name) <= 0:
                problem = f"{name} is {getattr(self, name)}; expected more than 0"
                raise SettingsError(problem)
