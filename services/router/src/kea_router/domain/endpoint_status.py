"""How an endpoint is doing: derived, never stored."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from kea_router.domain.deployment import Deployment
from kea_router.domain.endpoint import Endpoint


class EndpointState(enum.Enum):
    """Whether an endpoint serves."""

    UNAVAILABLE = "UNAVAILABLE"
    ACTIVE = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Publication:
    """What the data plane has of an endpoint."""

    acknowledged: bool
    """Every connected Envoy has taken what was last published, and there is at least one."""
    refusal: str = ""
    """Why one refused it; empty where none did."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One aspect of the state."""

    type: str
    holds: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """State, progress and why."""

    state: EndpointState
    reconciling: bool
    conditions: tuple[Condition, ...]


def status_of(endpoint: Endpoint, deployments: Mapping[str, Deployment], publication: Publication) -> EndpointStatus:
    """Returns how an endpoint is doing.

    It is ACTIVE while a target with weight has a ready replica, and reconciling until the data plane has taken it.
    """
    waiting = [
        target.deployment
        for target in endpoint.targets
        if target.weight and not _ready(deployments.get(target.deployment))
    ]
    serving = any(target.weight and _ready(deployments.get(target.deployment)) for target in endpoint.targets)
    if waiting:
        targets = Condition("TargetsReady", holds=False, reason="NO_READY_REPLICA", message=_waiting(waiting))
    else:
        targets = Condition("TargetsReady", holds=True, reason="READY", message="")
    return EndpointStatus(
        state=EndpointState.ACTIVE if serving else EndpointState.UNAVAILABLE,
        reconciling=not publication.acknowledged,
        conditions=(targets, _published(publication)),
    )


def _ready(deployment: Deployment | None) -> bool:
    return deployment is not None and bool(deployment.replicas)


def _waiting(deployments: list[str]) -> str:
    return f"without a ready replica: {', '.join(deployments)}"


def _published(publication: Publication) -> Condition:
    if publication.refusal:
        return Condition("Published", holds=False, reason="REFUSED", message=publication.refusal)
    if not publication.acknowledged:
        return Condition("Published", holds=False, reason="PENDING", message="not taken by every Envoy yet")
    return Condition("Published", holds=True, reason="ACKNOWLEDGED", message="")
