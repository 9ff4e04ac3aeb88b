"""A deployment, as far as routing is concerned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that answers."""

    id: str
    http_address: str
    grpc_address: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the router knows of a deployment."""

    name: str
    version: int
    """Number of the model version it serves."""
    replicas: tuple[Replica, ...]
    """Those that are ready, by id."""
