"""How a deployment on this machine is doing: derived from what is seen of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from kea_deployer.domain.deployment import (
    ARTIFACT_FAILED,
    ARTIFACT_READY,
    ENVIRONMENT_FAILED,
    ENVIRONMENT_READY,
    PENDING,
    READY,
    REPLICAS_READY,
    Condition,
    Deployment,
    Replica,
    ReplicaState,
    State,
    Status,
)
from kea_deployer.domain.plan import Failure
from kea_deployer.local.observation import UNSEEN, Observation, Preparation

CRASH_LIMIT = 3
"""Ends in a row after which a deployment that serves nothing counts as FAILED; it is tried again all the same."""


def status_of(
    deployment: Deployment,
    preparation: Preparation,
    replicas: tuple[Replica, ...],
    observed: Mapping[str, Observation],
    failure: Failure | None,
    now: datetime,
) -> Status:
    """Returns the status of a deployment that is not being deleted.

    Args:
        deployment: with the status that was last written.
        preparation: how far artifact and environment are.
        replicas: as they are to be written.
        observed: by replica id.
        failure: why it cannot come up as it is; None where it may.
        now: the present.
    """
    before = deployment.status
    ready = sum(replica.state is ReplicaState.READY for replica in replicas)
    settled = ready == deployment.replica_count == len(replicas)
    crash = _crash(replicas, observed)
    hopeless = any(observed.get(replica.id, UNSEEN).attempts >= CRASH_LIMIT for replica in replicas)
    if failure is not None or (ready == 0 and hopeless):
        state = State.FAILED
    elif ready:
        state = State.ACTIVE
    else:
        state = before.state
    draining = any(replica.state is ReplicaState.DRAINING for replica in replicas)
    step = preparation.step or ("" if settled or failure is not None else "starting replicas")
    return Status(
        state=state,
        reconciling=draining if failure is not None else not settled,
        step=step,
        conditions=(
            _prepared(before, ARTIFACT_READY, ARTIFACT_FAILED, preparation, now, done=preparation.artifact_ready),
            _prepared(
                before, ENVIRONMENT_READY, ENVIRONMENT_FAILED, preparation, now, done=preparation.environment_ready
            ),
            _replicas_ready(before, ready, deployment.replica_count, failure or crash, now, settled=settled),
        ),
        replicas=replicas,
    )


def _crash(replicas: Sequence[Replica], observed: Mapping[str, Observation]) -> Failure | None:
    """Returns why a replica that is not ready last ended."""
    for replica in replicas:
        told = observed.get(replica.id, UNSEEN)
        if replica.state is not ReplicaState.READY and told.failure is not None:
            return told.failure
    return None


def _prepared(
    before: Status, kind: str, failed: str, preparation: Preparation, now: datetime, *, done: bool
) -> Condition:
    failure = preparation.failure
    if failure is not None and failure.reason == failed:
        return _condition(before, kind, failure.reason, failure.message, now, holds=False)
    if done:
        return _condition(before, kind, READY, "", now, holds=True)
    return _condition(before, kind, PENDING, preparation.step, now, holds=None)


def _replicas_ready(
    before: Status, ready: int, wanted: int, failure: Failure | None, now: datetime, *, settled: bool
) -> Condition:
    told = f"{ready} of {wanted} ready"
    if settled:
        return _condition(before, REPLICAS_READY, READY, told, now, holds=True)
    if failure is not None and failure.reason not in {ARTIFACT_FAILED, ENVIRONMENT_FAILED}:
        return _condition(before, REPLICAS_READY, failure.reason, failure.message, now, holds=False)
    return _condition(before, REPLICAS_READY, PENDING, told, now, holds=None)


def _condition(before: Status, kind: str, reason: str, message: str, now: datetime, *, holds: bool | None) -> Condition:
    last = before.condition(kind)
    since = last.transition_time if last is not None and last.holds is holds else now
    return Condition(kind, holds, reason, message, since)
