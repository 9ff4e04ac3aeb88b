"""What differs from one Envoy of KEA's to the next, and how one that is a process of its own is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kea_core.settings import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoySettings:
    """Where Envoy listens and what it is told."""

    host: str
    """Address it listens on."""
    port: int
    """Port it listens on, for HTTP/1.1 and HTTP/2 alike."""
    xds_address: str
    """Where the router serves xDS: `unix:PATH` or `HOST:PORT`."""
    admin_socket: Path
    """Unix socket of its admin page: whoever reaches it may stop Envoy, so it is never a port."""
    access_log: Path
    """File it writes a line of JSON per request to."""
    descriptors: Path
    """File with the descriptor set that JSON is transcoded by."""
    services: tuple[str, ...]
    """Full names of the gRPC services that have a REST form."""
    audit_address: str = ""
    """Where audit events are sent as OTLP: auth's own receiver or a company's collector, `unix:PATH` or `HOST:PORT`.
    Empty: nowhere."""
    tls: bool = False
    """Whether it speaks mutual TLS with what is at `HOST:PORT`, router and audit log, by the files of
    `kea_core.envoy_tls` in its working directory."""
    node_id: str = "gateway"
    """Its name towards the router."""
    gateways_address: str = ""
    """`HOST:PORT` of which the host stands for every gateway by an IP address of its own, this one included: with them
    it shares limits. Nothing connects to it. Empty: it has the whole of a limit to itself."""
    trusted_proxies: int = 0
    """Proxies before it, as an ingress is, whose `X-Forwarded-For` is believed. 0: the caller is whoever connects."""
    metrics_port: int = 0
    """Port it answers Prometheus on, at `/stats/prometheus`. 0: none."""
    max_connections: int = 10_000
    """Connections at once; further ones wait."""
    max_streams: int = 1_000
    """Requests at once on one HTTP/2 connection."""
    max_body_bytes: int = 128 * 1024 * 1024
    """Largest body of an inference request that says its length; model servers hold all others to their own bound."""
    buffer_bytes: int = 1_048_576
    """Bytes held per connection before the sender is slowed down. It must hold the first part of a gRPC message, from
    which the model's name is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """An Envoy that is a process of its own, as in a pod (prefix `KEA_ENVOY`)."""

    xds_address: str
    """Where the router serves xDS: `unix:PATH` or `HOST:PORT`."""
    directory: Path
    """Where its files and the socket of its admin page are; made where it is missing, and closed to other users. It is
    Envoy's working directory."""
    audit_address: str = ""
    """Where audit events are sent as OTLP: auth's own receiver or a company's collector, `unix:PATH` or `HOST:PORT`.
    Empty: nowhere."""
    tls_directory: str = ""
    """Directory with `tls.crt`, `tls.key` and `ca.crt`, which may be renewed at any time. With it Envoy speaks mutual
    TLS with router and audit log at `HOST:PORT`, and with services where the router says so. Empty: in plaintext."""
    host: str = "0.0.0.0"  # noqa: S104 - a pod's only door
    """Address it listens on."""
    port: int = 8080
    """Port it listens on, for HTTP/1.1 and HTTP/2 alike."""
    metrics_port: int = 0
    """Port it answers Prometheus on, at `/stats/prometheus`. 0: none."""
    node_id: str = "gateway"
    """Its name towards the router."""
    gateways_address: str = ""
    """`HOST:PORT` of which the host stands for every gateway by an IP address of its own, this one included: with them
    it shares limits. Nothing connects to it. Empty: it has the whole of a limit to itself."""
    workers: int = 2
    """Threads that requests are spread over."""
    trusted_proxies: int = 0
    """Proxies before it, as an ingress is, whose `X-Forwarded-For` is believed. 0: the caller is whoever connects."""
    access_log: Path = Path("/dev/stdout")
    """File it writes a line of JSON per request to."""
    unready_seconds: float = 5.0
    """Time from the begin of the end until whoever sends requests here has surely heard of it."""
    drain_seconds: float = 20.0
    """Longest time from the begin of the end until Envoy may be stopped; connections are closed in order meanwhile."""

    def __post_init__(self) -> None:
        for name in ("port", "workers", "drain_seconds"):
            if getattr(self, name) <= 0:
                problem = f"{name} is {getattr(self, name)}; expected more than 0"
                raise SettingsError(problem)
        if not 0 <= self.unready_seconds <= self.drain_seconds:
            problem = f"unready_seconds is {self.unready_seconds}; expected 0 to drain_seconds, {self.drain_seconds}"
            raise SettingsError(problem)

    @property
    def admin_socket(self) -> Path:
        """Where its admin page is."""
        return self.directory / "admin.sock"
