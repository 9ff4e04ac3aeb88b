"""What differs from one Envoy of KEA's to the next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
    node_id: str = "gateway"
    """Its name towards the router."""
    max_connections: int = 10_000
    """Connections at once; further ones wait."""
    max_streams: int = 1_000
    """Requests at once on one HTTP/2 connection."""
    max_body_bytes: int = 128 * 1024 * 1024
    """Largest body of an inference request that says its length; model servers hold all others to their own bound."""
    buffer_bytes: int = 1_048_576
    """Bytes held per connection before the sender is slowed down. It must hold the first part of a gRPC message, from
    which the model's name is read."""
