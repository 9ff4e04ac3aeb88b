"""Whatever happens in whatever order: what is decided stays within bounds, and comes to an end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kea_deployer.domain.conditions import Preparation
from kea_deployer.domain.deployment import Deployment, ModelVersion, Replica, ReplicaState, State, Status
from kea_deployer.domain.plan import Failure, Plan
from kea_deployer.local.actions import Drain, Kill, Start
from kea_deployer.local.decide import LONGEST_PAUSE_SECONDS, decide
from kea_deployer.local.observation import UNSEEN, Observation

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAME = "projects/default/deployments/echo"
MODEL = ModelVersion("projects/default/models/echo/versions/1", "python", "m.py:M", {"methods": []}, (), "0" * 64)
READY, DRAINING, FAILED = ReplicaState.READY, ReplicaState.DRAINING, ReplicaState.FAILED
BEGUN = Preparation(step="fetching the artifact")
PREPARED = Preparation(artifact_ready=True, environment_ready=True)
UNPREPARED = Preparation(failure=Failure("ARTIFACT_FAILED", "gone", final=True))
CRASHED = Failure("REPLICA_CRASHED", "the process ended", final=False)
UNLOADABLE = Failure("MODEL_LOAD_FAILED", "ValueError: no", final=True)
SILENT = Failure("REPLICA_SILENT", "no answer", final=False)


class World(RuleBasedStateMachine):
    """A machine with processes, and a deployer that looks whenever something happens."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.deployment = Deployment(NAME, MODEL, 1, 1, Status(), NOON, NOON)
        self.preparation = BEGUN
        self.seen: dict[str, Observation] = {}
        self.draining: set[str] = set()
        self.gone = False
        self.starts = 0
        self.failed = False
        """Whether the model could not be loaded, and nobody has asked again."""
        self.again_time: datetime | None = None

    # What happens

    @rule(seconds=st.sampled_from([0.1, 1.0, 70.0, -3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.look()

    @rule(artifact=st.booleans())
    def preparation_comes_further(self, artifact: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        if self.preparation.failure is None and not self.preparation.environment_ready:
            self.preparation = Preparation(step="laying out", artifact_ready=True) if artifact else PREPARED
            self.look()

    @rule()
    def preparation_fails(self) -> None:
        if not self.preparation.environment_ready:
            self.preparation = UNPREPARED
            self.look()

    @rule(index=st.integers(0, 9), answers=st.booleans())
    def a_replica_answers_or_does_not(self, index: int, answers: bool) -> None:  # noqa: FBT001 - as above
        for replica, seen in self.running(index):
            if not seen.silent:
                self.seen[replica] = replace(seen, answers=answers, failure=None if answers else seen.failure)
                self.look()

    @rule(index=st.integers(0, 9))
    def a_replica_falls_silent(self, index: int) -> None:
        for replica, seen in self.running(index):
            self.seen[replica] = replace(seen, answers=False, silent=True, failure=SILENT)
            self.look()

    @rule(index=st.integers(0, 9), failure=st.sampled_from([CRASHED, UNLOADABLE]))
    def a_replica_ends(self, index: int, failure: Failure) -> None:
        for replica, _ in self.running(index):
            self.end(replica, failure)
            self.look()

    @precondition(lambda self: self.draining)
    @rule()
    def drained_replicas_end(self) -> None:
        for replica in list(self.draining):
            self.end(replica, CRASHED)
        self.look()

    @precondition(lambda self: not self.deployment.deleting)
    @rule(count=st.integers(1, 4))
    def another_number_is_wanted(self, count: int) -> None:
        status = self.deployment.status
        if status.state is State.FAILED:
            status = Status()
            self.failed = False
            self.draining |= {replica for replica, seen in self.seen.items() if seen.running}  # as the platform does
        self.deployment = replace(self.deployment, replica_count=count, status=replace(status, reconciling=True))
        if self.preparation.failure is not None:
            self.preparation = BEGUN
        self.look()

    @rule()
    def the_deployer_is_killed_and_another_one_comes(self) -> None:
        states = {replica.id: replica.state for replica in self.deployment.status.replicas}
        self.seen = {
            replica: Observation(running=True, answers=states[replica] is READY, pid=seen.pid, process_time=1.0)
            for replica, seen in self.seen.items()
            if seen.running and replica in states
        }
        self.draining.clear()
        self.preparation = BEGUN
        self.look()

    @rule()
    def the_machine_is_started_anew(self) -> None:
        self.seen.clear()
        self.draining.clear()
        self.preparation = BEGUN
        self.look()

    @rule()
    def it_is_deleted(self) -> None:
        if self.starts > 3:  # not before something has happened
            status = replace(self.deployment.status, state=State.DELETING)
            self.deployment = replace(self.deployment, status=status)
            self.look()

    # What is done about it

    def look(self) -> Plan:
        """Decides, writes and acts, as the reconciler does, and checks what was decided."""
        before, observed = self.deployment, dict(self.seen)
        plan = decide(before, self.preparation, observed, self.now, self.new_replica)
        self.check(before, observed, plan)
        self.deployment = replace(before, status=plan.status)
        self.failed = any(replica.state is FAILED for replica in plan.status.replicas)
        self.gone, self.again_time = plan.gone, plan.again_time
        for action in plan.actions:
            assert isinstance(action, Start | Drain | Kill)
            seen = self.seen.get(action.replica, UNSEEN)
            if isinstance(action, Start):
                self.starts += 1
                started = Observation(running=True, attempts=seen.attempts, failure=seen.failure, process_time=1.0)
                self.seen[action.replica] = replace(started, pid=1000 + self.starts)
            elif isinstance(action, Drain):
                self.draining.add(action.replica)
            else:
                self.end(action.replica, SILENT)
        return plan

    def check(self, before: Deployment, observed: dict[str, Observation], plan: Plan) -> None:
        replicas = {replica.id: replica for replica in plan.status.replicas}
        kept = [replica for replica in replicas.values() if replica.state is not DRAINING]
        running = {replica for replica, seen in observed.items() if seen.running}
        starts = {action.replica for action in plan.actions if isinstance(action, Start)}
        assert len(replicas) == len(plan.status.replicas), "ids are unique"
        assert len(kept) <= before.replica_count or before.deleting
        assert not starts & running, "nothing is started beside itself"
        assert all(action.replica in running for action in plan.actions if isinstance(action, Drain | Kill))
        assert running <= replicas.keys() | self.draining, "nothing that runs is forgotten"
        assert plan.again_time is None or plan.again_time > self.now
        if not (self.preparation.artifact_ready and self.preparation.environment_ready):
            assert not starts
        if any(replica.state is FAILED for replica in replicas.values()):
            assert not starts
            assert not any(replica.state is READY for replica in replicas.values())
        if before.deleting:
            assert not kept
            assert plan.gone is (not replicas)
            return
        answering = [observed.get(replica.id, UNSEEN).answers for replica in kept]
        drained = [
            replica
            for replica in before.status.replicas
            if replica.state is not DRAINING
            and replica.id in replicas
            and replicas[replica.id].state is DRAINING
            and observed.get(replica.id, UNSEEN).answers
        ]
        assert not drained or all(answering), "those that serve are drained last"
        ready = sum(replica.state is READY for replica in kept)
        assert (plan.status.state is State.ACTIVE) or ready == 0
        assert plan.status.problem is not None or not self.failed
        for replica in kept:
            if replica.state is ReplicaState.BACKING_OFF and replica.id not in running and not starts:
                waits = replica.restart_time is not None and replica.restart_time > self.now
                assert waits or not self.preparation.environment_ready, "somebody wakes it"

    @invariant()
    def looking_again_changes_nothing(self) -> None:
        """After a few looks (one acts, one sees what came of it) nothing more is decided."""
        if self.gone:
            return
        for _ in range(4):
            self.look()
        before = self.deployment
        plan = self.look()
        assert self.deployment == before
        assert not [action for action in plan.actions if not isinstance(action, Drain)]

    def teardown(self) -> None:
        """From wherever it came to: where all goes well from now on, what is wanted comes about."""
        if self.preparation.failure is None:
            self.preparation = PREPARED
        for _ in range(6):
            for replica in list(self.draining):
                self.end(replica, CRASHED)
            for replica, seen in list(self.seen.items()):
                if seen.running and not seen.silent:
                    self.seen[replica] = replace(seen, answers=True, failure=None)
            self.look()
            if self.again_time is not None:
                self.now = self.again_time
        status = self.deployment.status
        if self.deployment.deleting:
            assert self.gone
        elif self.failed:
            assert (status.state, status.reconciling) == (State.FAILED, False)
        elif self.preparation.failure is not None:
            assert status.reconciling is False
        else:
            assert (status.state, status.reconciling, status.problem) == (State.ACTIVE, False, None)
            assert [replica.state for replica in status.replicas] == [READY] * self.deployment.replica_count

    def end(self, replica: str, failure: Failure) -> None:
        seen = self.seen.get(replica, UNSEEN)
        self.draining.discard(replica)
        if seen.running:
            self.seen[replica] = Observation(failure=failure, attempts=seen.attempts + 1)

    def running(self, index: int) -> Iterator[tuple[str, Observation]]:
        found = [(replica, seen) for replica, seen in sorted(self.seen.items()) if seen.running]
        if found:
            yield found[index % len(found)]

    def new_replica(self, number: int) -> Replica:
        identifier = f"{self.starts}-{number}"
        return Replica(identifier, number, ReplicaState.STARTING, "", "", 0, 0.0, 0, self.now, None)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)

assert LONGEST_PAUSE_SECONDS < 70.0, "time_passes must pass it"
