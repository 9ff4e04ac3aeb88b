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
"""Ends of a replica in a row after which it is told as a problem, and a deployment that serves nothing is FAILED; it is
tried again all the same."""
MOVING = frozenset({ReplicaState.STARTING, ReplicaState.DRAINING})
"""What a replica does not stay in."""


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
        failure: why the model cannot be served; None where it may.
        now: the present.
    """
    before = deployment.status
    ready = sum(replica.state is ReplicaState.READY for replica in replicas)
    settled = ready == deployment.replica_count == len(replicas)
    crash = _crash(replicas, observed)
    stuck = any(observed.get(replica.id, UNSEEN).attempts >= CRASH_LIMIT for replica in _coming(replicas))
    hopeless = failure is not None or preparation.failure is not None
    state = State.ACTIVE if ready else State.FAILED if hopeless or stuck else before.state
    moving = any(replica.state in MOVING for replica in replicas)
    idle = settled or hopeless
    return Status(
        state=state,
        reconciling=moving if hopeless else not settled,
        step="" if idle else preparation.step or "starting replicas",
        conditions=(
            _prepared(before, ARTIFACT_READY, ARTIFACT_FAILED, preparation, now, done=preparation.artifact_ready),
            _prepared(
                before, ENVIRONMENT_READY, ENVIRONMENT_FAILED, preparation, now, done=preparation.environment_ready
            ),
            _replicas_ready(
                before,
                f"{ready} of {deployment.replica_count} ready",
                failure or crash,
                now,
                holds=True if settled else False if failure is not None or stuck else None,
            ),
        ),
        replicas=replicas,
    )


def _coming(replicas: Sequence[Replica]) -> list[Replica]:
    """Returns the replicas that should serve and do not."""
    return [replica for replica in replicas if replica.state not in {ReplicaState.READY, ReplicaState.DRAINING}]


def _crash(replicas: Sequence[Replica], observed: Mapping[str, Observation]) -> Failure | None:
    """Returns why a replica that should serve last ended."""
    told = (observed.get(replica.id, UNSEEN).failure for replica in _coming(replicas))
    return next((failure for failure in told if failure is not None), None)


def _prepared(
    before: Status, kind: str, failed: str, preparation: Preparation, now: datetime, *, done: bool
) -> Condition:
    failure = preparation.failure
    if failure is not None and failure.reason == failed:
        return _condition(before, kind, failure.reason, failure.message, now, holds=False)
    last = before.condition(kind)
    # A deployer that has just begun looks for what is there already, and nothing has changed.
    if done or (last is not None and last.holds is True):
        return _condition(before, kind, READY, "", now, holds=True)
    return _condition(before, kind, PENDING, preparation.step, now, holds=None)


def _replicas_ready(
    before: Status, told: str, failure: Failure | None, now: datetime, *, holds: bool | None
) -> Condition:
    if holds is True:
        return _condition(before, REPLICAS_READY, READY, told, now, holds=True)
    if failure is not None:
        return _condition(before, REPLICAS_READY, failure.reason, failure.message, now, holds=holds)
    return _condition(before, REPLICAS_READY, PENDING, told, now, holds=None)


def _condition(before: Status, kind: str, reason: str, message: str, now: datetime, *, holds: bool | None) -> Condition:
    last = before.condition(kind)
    since = last.transition_time if last is not None and last.holds is holds else now
    return Condition(kind, holds, reason, message, since)
