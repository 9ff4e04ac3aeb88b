"""What to do about a deployment on this machine. Pure: no clock, no process, no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kea_deployer.domain.conditions import Preparation
from kea_deployer.domain.deployment import (
    MODEL_LOAD_FAILED,
    REPLICAS_READY,
    Deployment,
    Replica,
    ReplicaState,
    State,
)
from kea_deployer.domain.plan import Action, Failure, Plan
from kea_deployer.local.actions import Drain, Kill, Start
from kea_deployer.local.observation import UNSEEN, Observation
from kea_deployer.local.status import status_of

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 60.0
NewReplica = Callable[[int], Replica]
"""Returns a replica with that number, in state STARTING."""


@dataclass(frozen=True, slots=True)
class _Move:
    """What becomes of one replica."""

    replica: Replica | None
    action: Action | None = None


def decide(
    deployment: Deployment,
    preparation: Preparation,
    observed: Mapping[str, Observation],
    now: datetime,
    new_replica: NewReplica,
) -> Plan:
    """Returns the status to write and the actions to take then.

    Args:
        deployment: what is wanted, and the status that was last written.
        preparation: how far artifact and environment are.
        observed: by replica id; those missing are not running.
        now: the present.
        new_replica: makes replicas.
    """
    if deployment.deleting:
        return _take_down(deployment, observed)
    prepared = preparation.artifact_ready and preparation.environment_ready
    staying = [replica for replica in deployment.status.replicas if replica.state is not ReplicaState.DRAINING]
    answers = any(observed.get(replica.id, UNSEEN).answers for replica in staying)
    served = answers or deployment.status.state is State.ACTIVE
    moves = [
        _move(replica, observed.get(replica.id, UNSEEN), now, prepared=prepared, served=served)
        for replica in deployment.status.replicas
    ]
    failure = _final_failure(deployment, observed, moves)
    if failure is not None:
        moves = [_give_up(move) for move in moves]
    elif preparation.failure is not None:
        moves = [move for move in moves if _has_process(move)]  # what runs goes on: it needs no ground any more
    moves = _scaled(moves, deployment.replica_count, new_replica if prepared and failure is None else None)
    replicas = tuple(move.replica for move in moves if move.replica is not None)
    waits = (entry.restart_time for entry in replicas if entry.restart_time is not None)
    return Plan(
        status=status_of(deployment, preparation, replicas, observed, failure, now),
        actions=tuple(move.action for move in moves if move.action is not None),
        # Those that are due already wait for something else, which will be noticed.
        again_time=min((time for time in waits if time > now), default=None),
    )


def _take_down(deployment: Deployment, observed: Mapping[str, Observation]) -> Plan:
    moves = [_drained(replica, observed.get(replica.id, UNSEEN)) for replica in deployment.status.replicas]
    left = tuple(move.replica for move in moves if move.replica is not None)
    status = replace(deployment.status, reconciling=True, step="draining", replicas=left)
    return Plan(status, tuple(move.action for move in moves if move.action is not None), gone=not left)


def _drained(replica: Replica, seen: Observation) -> _Move:
    if not seen.running:
        return _Move(None)
    return _Move(replace(replica, state=ReplicaState.DRAINING, restart_time=None), Drain(replica.id))


def _move(replica: Replica, seen: Observation, now: datetime, *, prepared: bool, served: bool) -> _Move:
    """Returns the next state of one replica, by what is seen of its process.

    Args:
        replica: as last written.
        seen: its process.
        now: the present.
        prepared: whether it could be started.
        served: whether the model is known to load.
    """
    match replica.state:
        case ReplicaState.DRAINING:
            return _drained(replica, seen)
        case ReplicaState.FAILED:
            return _again(replica, seen, now, prepared=prepared) if served else _Move(replica)
        case ReplicaState.BACKING_OFF:
            return _resting(replica, seen, now, prepared=prepared)
        case ReplicaState.STARTING | ReplicaState.READY:
            if seen.running:
                return _alive(replica, seen, now)
            return _ended(replica, seen, now, prepared=prepared, served=served)


def _resting(replica: Replica, seen: Observation, now: datetime, *, prepared: bool) -> _Move:
    if seen.running:  # it is about to end, or was found again
        return _Move(replica, Kill(replica.id)) if seen.silent else _alive(replica, seen, now)
    if not prepared or _waits(replica, now):
        return _Move(replica)
    return _started(replace(replica, restart_count=replica.restart_count + 1), now)


def _waits(replica: Replica, now: datetime) -> bool:
    """Returns whether a replica's time has not come; one that is too far away is of a clock that was set back."""
    time = replica.restart_time
    return time is not None and now < time <= now + timedelta(seconds=LONGEST_PAUSE_SECONDS)


def _alive(replica: Replica, seen: Observation, now: datetime) -> _Move:
    if seen.silent:
        ending = replace(seen, attempts=seen.attempts + 1)  # its end, which is to come, counts
        return _Move(_backing_off(replica, ending, now), Kill(replica.id))
    state = ReplicaState.READY if seen.answers else ReplicaState.STARTING
    return _Move(replace(replica, state=state, pid=seen.pid, process_time=seen.process_time, restart_time=None))


def _ended(replica: Replica, seen: Observation, now: datetime, *, prepared: bool, served: bool) -> _Move:
    if seen.failure is None:
        # Never seen since this deployer began: the machine, or the whole platform, was down.
        return _started(replica, now) if prepared else _Move(_without_process(replica))
    if seen.failure.final and not served:
        return _Move(replace(_without_process(replica), state=ReplicaState.FAILED))
    # A model that has been loaded before can be: what is said to be final (memory, a file it needs) may pass.
    return _again(replica, seen, now, prepared=prepared)


def _again(replica: Replica, seen: Observation, now: datetime, *, prepared: bool) -> _Move:
    """Has a replica that has ended start again, at once where it may: nothing would wake it later."""
    return _resting(_backing_off(replica, seen, now), seen, now, prepared=prepared)


def _started(replica: Replica, now: datetime) -> _Move:
    begun = replace(_without_process(replica), state=ReplicaState.STARTING, start_time=now, restart_time=None)
    return _Move(begun, Start(replica.id))


def _without_process(replica: Replica) -> Replica:
    return replace(replica, state=ReplicaState.STARTING, pid=0, process_time=0.0)


def _backing_off(replica: Replica, seen: Observation, now: datetime) -> Replica:
    until = now + timedelta(seconds=pause_seconds(seen.attempts))
    return replace(_without_process(replica), state=ReplicaState.BACKING_OFF, restart_time=until)


def pause_seconds(attempts: int) -> float:
    """Returns how long a replica rests before it is started again; not at all where it had served for a while."""
    if attempts <= 0:
        return 0.0
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 16), LONGEST_PAUSE_SECONDS)


def _final_failure(
    deployment: Deployment, observed: Mapping[str, Observation], moves: Sequence[_Move]
) -> Failure | None:
    """Returns why the deployment as a whole cannot come up: a replica cannot, and none serves."""
    replicas = [move.replica for move in moves if move.replica is not None]
    failed = [replica for replica in replicas if replica.state is ReplicaState.FAILED]
    if not failed or any(replica.state is ReplicaState.READY for replica in replicas):
        return None
    told = observed.get(failed[0].id, UNSEEN).failure
    if told is not None:
        return told
    before = deployment.status.condition(REPLICAS_READY)  # told by a deployer before this one
    if before is not None and before.holds is False:
        return Failure(before.reason, before.message, final=True)
    return Failure(MODEL_LOAD_FAILED, "the model cannot be loaded; its log says why", final=True)


def _give_up(move: _Move) -> _Move:
    """Ends what runs beside a replica that cannot come up; starts nothing."""
    replica = move.replica
    if replica is None or replica.state in {ReplicaState.FAILED, ReplicaState.DRAINING}:
        return move
    return _drain(move)


def _has_process(move: _Move) -> bool:
    return (move.replica is not None and move.replica.pid != 0) or isinstance(move.action, Kill | Drain)


def _drain(move: _Move) -> _Move:
    """Ends a replica; one that backs off, or was about to be started, has nothing to end."""
    if move.replica is None or not _has_process(move):
        return _Move(None)
    draining = replace(move.replica, state=ReplicaState.DRAINING, restart_time=None)
    return _Move(draining, move.action if isinstance(move.action, Kill) else Drain(draining.id))


def _scaled(moves: list[_Move], wanted: int, new_replica: NewReplica | None) -> list[_Move]:
    """Adds (where that can be done) or drains replicas until there are as many as wanted.

    Those that do not serve are drained first, then the newest.
    """
    kept = [move for move in moves if move.replica is not None and move.replica.state is not ReplicaState.DRAINING]
    number = max((move.replica.number for move in moves if move.replica is not None), default=0)
    missing = max(wanted - len(kept), 0)
    new = [] if new_replica is None else [new_replica(number + offset) for offset in range(1, missing + 1)]
    added = [_Move(replica, Start(replica.id)) for replica in new]
    surplus = sorted(kept, key=_expendable)[: max(len(kept) - wanted, 0)]
    return [_drain(move) if move in surplus else move for move in moves] + added


def _expendable(move: _Move) -> tuple[bool, int]:
    replica = move.replica
    return (replica is not None and replica.state is ReplicaState.READY, -(replica.number if replica else 0))
