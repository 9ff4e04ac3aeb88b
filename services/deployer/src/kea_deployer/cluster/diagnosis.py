"""Why replicas are not ready, read from what Kubernetes tells. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kea_deployer.cluster.observation import Observation, Pod
from kea_deployer.domain.deployment import MODEL_LOAD_FAILED, REPLICA_CRASHED
from kea_deployer.domain.plan import Failure

QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
POD_REFUSED = "POD_REFUSED"
IMAGE_PULL_FAILED = "IMAGE_PULL_FAILED"
CONTAINER_FAILED = "CONTAINER_FAILED"
OUT_OF_MEMORY = "OUT_OF_MEMORY"
UNSCHEDULABLE = "UNSCHEDULABLE"

EX_CONFIG = 78
"""The model server's exit code where a model cannot be loaded."""
CRASH_LIMIT = 3
"""Ends in a row after which a replica that crashes is told as a problem."""
PULLING = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
CREATING = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
LONGEST_LINE = 500


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What keeps replicas from being ready."""

    failure: Failure
    stuck: bool
    """Whether it will not pass by itself soon."""
    step: str = ""
    """What it is to people while there is hope; empty: nothing worth telling."""
    again_time: datetime | None = None
    """When it will be looked at in another way though nothing happens."""


def diagnose(observation: Observation, refusal: Failure | None, now: datetime, patience: timedelta) -> Diagnosis | None:
    """Returns the gravest thing that is wrong, or None.

    Args:
        observation: what is on the cluster.
        refusal: why the cluster did not take an object; None where it took all.
        now: the present.
        patience: how long a pod may wait for a node.
    """
    if refusal is not None:
        return Diagnosis(refusal, stuck=True)
    if observation.refusal:
        reason = QUOTA_EXCEEDED if "exceeded quota" in observation.refusal else POD_REFUSED
        return Diagnosis(Failure.told(reason, observation.refusal, final=False), stuck=True)
    waiting = [pod for pod in observation.pods if not pod.terminating and pod.name not in observation.ready]
    told = [found for found in (_of_pod(pod, now, patience) for pod in waiting) if found is not None]
    return max(told, key=lambda found: found.stuck, default=None)


def _of_pod(pod: Pod, now: datetime, patience: timedelta) -> Diagnosis | None:
    if pod.waiting_reason in PULLING:
        return _stuck(IMAGE_PULL_FAILED, pod.waiting_message or pod.waiting_reason)
    if pod.waiting_reason in CREATING:
        return _stuck(CONTAINER_FAILED, f"{pod.waiting_reason}: {pod.waiting_message}")
    if pod.exit_code is not None:
        return _ended(pod)
    if pod.unscheduled_since is not None:
        until = pod.unscheduled_since + patience
        failure = Failure.told(UNSCHEDULABLE, pod.unscheduled_message, final=False)
        step = f"waiting for a node: {failure.message[:LONGEST_LINE]}"
        return Diagnosis(failure, stuck=now >= until, step=step[:256], again_time=until if now < until else None)
    return None


def _ended(pod: Pod) -> Diagnosis:
    last = _last_line(pod.exit_message)
    often = pod.restart_count + bool(pod.waiting_reason) >= CRASH_LIMIT
    if pod.exit_code == EX_CONFIG:
        return _stuck(MODEL_LOAD_FAILED, last or "the model cannot be loaded; its log says why")
    if pod.exit_reason == "OOMKilled":
        text = "a replica was ended because it used more memory than its limit"
        return Diagnosis(Failure(OUT_OF_MEMORY, text, final=False), stuck=often)
    told = f"a replica ended with code {pod.exit_code}{f': {last}' if last else ''}"
    return Diagnosis(Failure.told(REPLICA_CRASHED, told, final=False), stuck=often)


def _stuck(reason: str, message: str) -> Diagnosis:
    return Diagnosis(Failure.told(reason, message, final=False), stuck=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:LONGEST_LINE] if lines else ""
