"""What an endpoint has served, kept so that it can be served again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kea_router.domain.deployment import Deployment
from kea_router.domain.endpoint import Endpoint

KEPT = 50
"""Revisions kept of an endpoint."""


@dataclass(frozen=True, slots=True)
class Served:
    """A part of what an endpoint serves."""

    deployment: str
    """`projects/{project}/deployments/{deployment}`."""
    weight: int
    """Basis points, 0 to 10000."""
    model_version: str
    """`projects/{project}/models/{model}/versions/{version}`."""
    pod_template: str
    """What is asked of the cluster for each replica: a `kea.deployer.v1.PodTemplate` in JSON, fields in order."""
    prebuilt_image: str
    """Pinned by digest; empty where the image is one that was built, or there is none."""
    update_time: datetime
    """When what is wanted of the deployment last changed."""

    @property
    def content(self) -> tuple[str, int, str, str]:
        """What makes two parts the same; the deployment's name does not."""
        return (self.model_version, self.weight, self.pod_template, self.prebuilt_image)


@dataclass(frozen=True, slots=True)
class EndpointRevision:
    """One entry of an endpoint's history."""

    endpoint: str
    """`projects/{project}/endpoints/{endpoint}`."""
    number: int
    """From 1."""
    targets: tuple[Served, ...]
    create_time: datetime

    @property
    def name(self) -> str:
        """Resource name."""
        return f"{self.endpoint}/revisions/{self.number}"


def served_by(endpoint: Endpoint, deployments: Mapping[str, Deployment]) -> tuple[Served, ...] | None:
    """Returns what an endpoint serves; None while a target with weight is not known, or has no ready replica."""
    parts: list[Served] = []
    for target in endpoint.targets:
        found = deployments.get(target.deployment)
        if found is None or not found.replicas:
            if target.weight:
                return None
            continue
        parts.append(
            Served(
                deployment=target.deployment,
                weight=target.weight,
                model_version=found.model_version,
                pod_template=found.pod_template,
                prebuilt_image=found.prebuilt_image,
                update_time=found.update_time,
            )
        )
    return tuple(parts)


def same_content(one: Iterable[Served], other: Iterable[Served]) -> bool:
    """Returns whether both serve the same, in the same way and shares."""
    return sorted(part.content for part in one) == sorted(part.content for part in other)


def is_outdated(parts: Iterable[Served], kept: Iterable[Served]) -> bool:
    """Returns whether a part is older than what is kept of the same deployment: another router has seen more."""
    known = {part.deployment: part.update_time for part in kept}
    return any(part.update_time < known.get(part.deployment, part.update_time) for part in parts)
