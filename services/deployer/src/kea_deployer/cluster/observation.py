"""What is seen of a deployment on a cluster, at one moment. Pure: read from objects' JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kea_deployer.cluster.api import Object


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod."""

    name: str
    uid: str
    address: str
    """IP address; empty until it has one."""
    terminating: bool
    phase: str
    start_time: datetime | None
    unscheduled_since: datetime | None
    """Since when no node can be found for it; None where it has one."""
    unscheduled_message: str
    waiting_reason: str
    """Why its container does not run, in Kubernetes' words; empty where it does."""
    waiting_message: str
    restart_count: int
    exit_code: int | None
    """Of the container's last end; None where it never ended."""
    exit_reason: str
    exit_message: str


@dataclass(frozen=True, slots=True)
class Observation:
    """All that is seen of one deployment."""

    objects: Mapping[str, Object]
    """What was applied, by kind."""
    pods: tuple[Pod, ...]
    """Oldest first."""
    ready: Mapping[str, str]
    """IP addresses that EndpointSlices name as ready, by pod."""
    refusal: str
    """Why no more pods are made, in Kubernetes' words; empty where nothing keeps them."""
    rolled_out: bool
    """Whether Kubernetes has made of the Deployment all that it asks for: every pod is of its newest template."""

    @property
    def empty(self) -> bool:
        """Whether nothing is left of it."""
        return not self.objects and not self.pods


def observe(objects: Mapping[str, Object], pods: Iterable[Object], slices: Iterable[Object]) -> Observation:
    """Reads what informers hold of one deployment."""
    workload = objects.get("Deployment") or {}
    read = sorted((_pod(item) for item in pods), key=lambda pod: (pod.start_time is None, pod.start_time, pod.name))
    return Observation(objects, tuple(read), _ready(slices), _refusal(workload), _rolled_out(workload))


def _ready(slices: Iterable[Object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in slices:
        for endpoint in item.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            target = endpoint.get("targetRef") or {}
            if conditions.get("ready") and not conditions.get("terminating") and target.get("kind") == "Pod":
                found[target["name"]] = endpoint["addresses"][0]
    return found


def _rolled_out(workload: Object) -> bool:
    status = workload.get("status") or {}
    wanted = (workload.get("spec") or {}).get("replicas", 0)
    seen = status.get("observedGeneration", 0) >= (workload.get("metadata") or {}).get("generation", 1)
    return seen and status.get("updatedReplicas", 0) == status.get("replicas", 0) == wanted


def _refusal(workload: Object) -> str:
    conditions = _by_type(workload.get("status") or {})
    failure = conditions.get("ReplicaFailure") or {}
    return str(failure.get("message", "")) if failure.get("status") == "True" else ""


def _pod(item: Object) -> Pod:
    metadata, status = item["metadata"], item.get("status") or {}
    scheduled = _by_type(status).get("PodScheduled") or {}
    unscheduled = scheduled.get("status") == "False"
    container: dict[str, Any] = next(iter(status.get("containerStatuses") or []), {})
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        address=status.get("podIP", ""),
        terminating="deletionTimestamp" in metadata,
        phase=status.get("phase", ""),
        start_time=moment(metadata.get("creationTimestamp")),
        unscheduled_since=moment(scheduled.get("lastTransitionTime")) if unscheduled else None,
        unscheduled_message=str(scheduled.get("message", "")) if unscheduled else "",
        waiting_reason=str(waiting.get("reason", "")),
        waiting_message=str(waiting.get("message", "")),
        restart_count=int(container.get("restartCount", 0)),
        exit_code=ended.get("exitCode"),
        exit_reason=str(ended.get("reason", "")),
        exit_message=str(ended.get("message", "")),
    )


def _by_type(status: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in status.get("conditions") or []}


def moment(text: str | None) -> datetime | None:
    """Reads one of Kubernetes' times."""
    return None if not text else datetime.fromisoformat(text)
