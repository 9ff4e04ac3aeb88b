"""How a deployment on this machine is doing: derived from what is seen of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from kea_deployer.domain.conditions import Preparation, prepared, replicas_ready
from kea_deployer.domain.deployment import (
    ARTIFACT_FAILED,
    ARTIFACT_READY,
    ENVIRONMENT_FAILED,
    ENVIRONMENT_READY,
    Deployment,
    Replica,
    ReplicaState,
    State,
    Status,
)
from kea_deployer.domain.plan import Failure
from kea_deployer.local.observation import UNSEEN, Observation

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
    nothing = settled and not ready
    served = State.ACTIVE if ready else State.IDLE if nothing else None
    state = served or (State.FAILED if hopeless or stuck else _coming_up(before.state))
    moving = any(replica.state in MOVING for replica in replicas)
    idle = settled or hopeless
    return Status(
        state=state,
        reconciling=moving if hopeless else not settled,
        step="" if idle else preparation.step or "starting replicas",
        conditions=(
            prepared(before, ARTIFACT_READY, ARTIFACT_FAILED, preparation, now, done=preparation.artifact_ready),
            prepared(
                before, ENVIRONMENT_READY, ENVIRONMENT_FAILED, preparation, now, done=preparation.environment_ready
            ),
            replicas_ready(
                before,
                f"{ready} of {deployment.replica_count} ready",
                failure or crash,
                now,
                holds=True if settled else False if failure is not None or stuck else None,
            ),
        ),
        replicas=replicas,
    )


def _coming_up(before: State) -> State:
    return State.CREATING if before is State.IDLE else before


def _coming(replicas: Sequence[Replica]) -> list[Replica]:
    """Returns the replicas that should serve and do not."""
    return [replica for replica in replicas if replica.state not in {ReplicaState.READY, ReplicaState.DRAINING}]


def _crash(replicas: Sequence[Replica], observed: Mapping[str, Observation]) -> Failure | None:
    """Returns why a replica that should serve last ended."""
    told = (observed.get(replica.id, UNSEEN).failure for replica in _coming(replicas))
    return next((failure for failure in told if failure is not None), None)
