"""What to do about a deployment on a cluster, and how it is doing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from kea_deployer.builds.contents import GRPC_PORT, HTTP_PORT
from kea_deployer.cluster.actions import Put, Remove
from kea_deployer.cluster.api import Object
from kea_deployer.cluster.diagnosis import EX_CONFIG, Diagnosis, diagnose
from kea_deployer.cluster.drift import covers
from kea_deployer.cluster.observation import Observation, Pod
from kea_deployer.domain.conditions import Preparation, prepared, replicas_ready
from kea_deployer.domain.deployment import (
    ARTIFACT_FAILED,
    ARTIFACT_READY,
    ENVIRONMENT_FAILED,
    ENVIRONMENT_READY,
    Condition,
    Deployment,
    Replica,
    ReplicaState,
    State,
    Status,
)
from kea_deployer.domain.plan import Action, Failure, Plan

CRASH_LOOP = "CrashLoopBackOff"
ENDED = frozenset({"Succeeded", "Failed"})
"""Phases of pods that never run again."""


def decide(
    deployment: Deployment,
    preparation: Preparation,
    observation: Observation,
    wanted: Sequence[Object],
    wanted_replicas: int,
    now: datetime,
    *,
    refusal: Failure | None,
    patience: timedelta,
) -> Plan:
    """Returns the status to write and the actions to take then.

    Args:
        deployment: what is wanted, and the status to go on from.
        preparation: how far the image is.
        observation: what is on the cluster.
        wanted: the objects that ought to be there, in the order in which they are made.
        wanted_replicas: how many replicas ought to be there now.
        now: the present.
        refusal: why the cluster took one of them not; None where it took all.
        patience: how long a pod may wait for a node.
    """
    if deployment.deleting:
        return _take_down(deployment, observation)
    replicas = _replicas(deployment, observation)
    diagnosis = diagnose(observation, refusal, now, patience)
    actions = _changes(observation, wanted) if wanted else []
    ready = sum(replica.state is ReplicaState.READY for replica in replicas)
    as_wanted = not actions and observation.rolled_out and ready == wanted_replicas == len(replicas)
    return Plan(
        status=_status(
            deployment,
            preparation,
            replicas,
            f"{ready} of {wanted_replicas} ready",
            diagnosis,
            now,
            settled=as_wanted and preparation.environment_ready,
        ),
        actions=tuple(actions),
        again_time=None if diagnosis is None else diagnosis.again_time,
    )


def _take_down(deployment: Deployment, observation: Observation) -> Plan:
    actions = [
        Remove(kind, item["metadata"]["name"])
        for kind, item in observation.objects.items()
        if "deletionTimestamp" not in item["metadata"]
    ]
    left = tuple(replace(replica, state=ReplicaState.DRAINING) for replica in _replicas(deployment, observation))
    status = replace(deployment.status, reconciling=True, step="draining", replicas=left)
    return Plan(status, tuple(actions), gone=observation.empty)


def _changes(observation: Observation, wanted: Sequence[Object]) -> list[Action]:
    actions: list[Action] = []
    for item in wanted:
        there = observation.objects.get(item["kind"])
        if there is None or not covers(there, item):
            actions.append(Put(item, ours=there is not None))
    kinds = {item["kind"] for item in wanted}
    for kind, there in observation.objects.items():
        if kind not in kinds:
            actions.append(Remove(kind, there["metadata"]["name"]))
    return actions


def _replicas(deployment: Deployment, observation: Observation) -> tuple[Replica, ...]:
    known = {replica.id: replica.number for replica in deployment.status.replicas}
    last = max(known.values(), default=0)
    found: list[Replica] = []
    for pod in observation.pods:
        if pod.phase in ENDED:
            continue
        number = known.get(pod.name)
        if number is None:
            last += 1
            number = last
        found.append(_replica(pod, number, observation))
    return tuple(found)


def _replica(pod: Pod, number: int, observation: Observation) -> Replica:
    address = observation.ready.get(pod.name) or pod.address
    host = f"[{address}]" if ":" in address else address
    return Replica(
        id=pod.name,
        number=number,
        state=_replica_state(pod, observation),
        http_address=f"{host}:{HTTP_PORT}" if host else "",
        grpc_address=f"{host}:{GRPC_PORT}" if host else "",
        pid=0,
        process_time=0.0,
        restart_count=pod.restart_count,
        start_time=pod.start_time,
        restart_time=None,
    )


def _replica_state(pod: Pod, observation: Observation) -> ReplicaState:
    if pod.terminating:
        return ReplicaState.DRAINING
    if pod.name in observation.ready:
        return ReplicaState.READY
    if pod.waiting_reason == CRASH_LOOP:
        return ReplicaState.FAILED if pod.exit_code == EX_CONFIG else ReplicaState.BACKING_OFF
    return ReplicaState.STARTING


def _status(
    deployment: Deployment,
    preparation: Preparation,
    replicas: tuple[Replica, ...],
    readiness: str,
    diagnosis: Diagnosis | None,
    now: datetime,
    *,
    settled: bool,
) -> Status:
    before = deployment.status
    stuck = diagnosis is not None and diagnosis.stuck
    failed = stuck or preparation.failure is not None
    if any(replica.state is ReplicaState.READY for replica in replicas):
        state = State.ACTIVE
    elif settled:
        state = State.IDLE
    elif failed:
        state = State.FAILED
    else:
        state = State.CREATING if before.state is State.IDLE else before.state
    failure = None if diagnosis is None else diagnosis.failure
    return Status(
        state=state,
        reconciling=not settled and preparation.failure is None,
        step="" if settled or preparation.failure else preparation.step or _step(diagnosis),
        conditions=(
            prepared(before, ARTIFACT_READY, ARTIFACT_FAILED, preparation, now, done=preparation.artifact_ready),
            _environment(before, preparation, now),
            replicas_ready(
                before,
                readiness,
                failure,
                now,
                holds=True if settled else False if stuck else None,
            ),
        ),
        replicas=replicas,
        image=before.image,
    )


def _environment(before: Status, preparation: Preparation, now: datetime) -> Condition:
    """Whether the image is there; whatever kept it from being built, but for the artifact, is told here."""
    failure = preparation.failure
    reason = ENVIRONMENT_FAILED if failure is None or failure.reason == ARTIFACT_FAILED else failure.reason
    return prepared(before, ENVIRONMENT_READY, reason, preparation, now, done=preparation.environment_ready)


def _step(diagnosis: Diagnosis | None) -> str:
    if diagnosis is None:
        return "starting replicas"
    return diagnosis.step or "starting replicas"
