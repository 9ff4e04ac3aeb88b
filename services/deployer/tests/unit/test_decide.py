"""What is decided about a deployment, by what is seen of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_deployer.domain.conditions import Preparation
from kea_deployer.domain.deployment import ReplicaState, State
from kea_deployer.domain.plan import Failure, Plan
from kea_deployer.local.actions import Drain, Kill, Start
from kea_deployer.local.decide import LONGEST_PAUSE_SECONDS, decide, pause_seconds
from kea_deployer.local.observation import Observation

READY, STARTING, BACKING_OFF = ReplicaState.READY, ReplicaState.STARTING, ReplicaState.BACKING_OFF
DRAINING, FAILED = ReplicaState.DRAINING, ReplicaState.FAILED
PREPARED = Preparation(artifact_ready=True, environment_ready=True)
UNDER_WAY = Preparation(step="laying out the environment", artifact_ready=True)
UNPREPARED = Preparation(artifact_ready=True, failure=Failure("ENVIRONMENT_FAILED", "no such package", final=True))
CRASHED = Failure("REPLICA_CRASHED", "the process ended with code 1", final=False)
UNLOADABLE = Failure("MODEL_LOAD_FAILED", "ValueError: no", final=True)
SILENT = Failure("REPLICA_SILENT", "no answer", final=False)


def answering(number: int = 1) -> Observation:
    return Observation(running=True, answers=True, pid=1000 + number, process_time=1.0)


def loading(number: int = 1) -> Observation:
    return Observation(running=True, pid=1000 + number, process_time=1.0)


@pytest.fixture
def made(helpers: Any) -> Any:
    """Decides at noon; new replicas begin with number and state only."""

    def decided(deployment: Any, preparation: Preparation = PREPARED, **seen: Observation) -> Plan:
        observed = {f"{int(name[1:]):08x}": observation for name, observation in seen.items()}
        return decide(deployment, preparation, observed, helpers.NOON, lambda n: helpers.make_replica(n, STARTING))

    return decided


def states(plan: Plan) -> list[tuple[int, ReplicaState]]:
    return [(replica.number, replica.state) for replica in plan.status.replicas]


def test_nothing_is_started_before_the_ground_is_laid(made: Any, helpers: Any) -> None:
    plan = made(helpers.make_deployment(), UNDER_WAY)
    assert (plan.actions, plan.status.replicas) == ((), ())
    assert (plan.status.state, plan.status.reconciling) == (State.CREATING, True)
    assert plan.status.step == "laying out the environment"


def test_what_is_missing_is_started(made: Any, helpers: Any) -> None:
    plan = made(helpers.make_deployment((helpers.make_replica(4),), wanted=3), r4=answering(4))
    assert states(plan) == [(4, READY), (5, STARTING), (6, STARTING)]
    assert plan.actions == (Start("00000005"), Start("00000006"))


def test_a_replica_that_runs_and_one_that_answers_are_told_apart(made: Any, helpers: Any) -> None:
    pair = (helpers.make_replica(1, STARTING), helpers.make_replica(2, STARTING))
    plan = made(helpers.make_deployment(pair, wanted=2), r1=loading(1), r2=answering(2))
    assert states(plan) == [(1, STARTING), (2, READY)]
    assert [replica.pid for replica in plan.status.replicas] == [1001, 1002]
    assert (plan.status.state, plan.status.reconciling) == (State.ACTIVE, True)


@pytest.mark.parametrize(
    ("replicas", "drained"),
    [
        ([(1, READY), (2, STARTING), (3, READY)], [2, 3]),
        ([(1, READY), (2, READY), (3, READY)], [2, 3]),
        ([(1, BACKING_OFF), (2, READY), (3, READY)], [3]),
        ([(1, BACKING_OFF), (2, BACKING_OFF), (3, READY)], []),
        ([(1, STARTING), (2, STARTING), (3, STARTING)], [2, 3]),
    ],
)
def test_those_that_do_not_serve_are_drained_first_then_the_newest(
    made: Any, helpers: Any, replicas: list[tuple[int, ReplicaState]], drained: list[int]
) -> None:
    later = helpers.NOON + timedelta(seconds=1)
    have = tuple(
        helpers.make_replica(number, state, restart_time=later if state is BACKING_OFF else None)
        for number, state in replicas
    )
    views = {READY: answering, STARTING: loading}
    seen = {f"r{number}": views[state](number) for number, state in replicas if state is not BACKING_OFF}
    plan = made(helpers.make_deployment(have, wanted=1), **seen)
    assert plan.actions == tuple(Drain(f"{number:08x}") for number in drained)
    assert [number for number, state in states(plan) if state is DRAINING] == drained
    assert len([number for number, state in states(plan) if state is not DRAINING]) == 1


def test_shrinking_needs_no_ground(made: Any, helpers: Any) -> None:
    have = (helpers.make_replica(1), helpers.make_replica(2))
    for preparation in (UNDER_WAY, UNPREPARED):
        plan = made(helpers.make_deployment(have, wanted=1), preparation, r1=answering(1), r2=answering(2))
        assert states(plan) == [(1, READY), (2, DRAINING)]


def test_a_drained_replica_is_gone_when_its_process_has_ended(made: Any, helpers: Any) -> None:
    have = (helpers.make_replica(1), helpers.make_replica(2, DRAINING))
    plan = made(helpers.make_deployment(have), r1=answering(1), r2=loading(2))
    assert (states(plan), plan.actions) == ([(1, READY), (2, DRAINING)], (Drain("00000002"),))
    plan = made(helpers.make_deployment(have), r1=answering(1), r2=Observation(failure=CRASHED))
    assert (states(plan), plan.actions, plan.status.reconciling) == ([(1, READY)], (), False)


def test_a_replica_that_ended_rests_and_is_started_again_when_its_time_has_come(made: Any, helpers: Any) -> None:
    ended = Observation(failure=CRASHED, attempts=2)
    plan = made(helpers.make_deployment((helpers.make_replica(),), state=State.ACTIVE), r1=ended)
    assert states(plan) == [(1, BACKING_OFF)]
    assert plan.again_time == plan.status.replicas[0].restart_time == helpers.NOON + timedelta(seconds=0.4)
    due = helpers.make_replica(1, BACKING_OFF, restart_time=helpers.NOON)
    plan = made(helpers.make_deployment((due,), state=State.ACTIVE), r1=ended)
    assert (states(plan), plan.actions) == ([(1, STARTING)], (Start("00000001"),))
    assert plan.status.replicas[0].restart_count == 1


def test_a_replica_that_had_served_for_a_while_is_started_again_at_once(made: Any, helpers: Any) -> None:
    plan = made(helpers.make_deployment((helpers.make_replica(),)), r1=Observation(failure=CRASHED))
    assert (states(plan), plan.actions) == ([(1, STARTING)], (Start("00000001"),))


def test_a_replica_of_which_nothing_is_known_is_started_and_not_counted_as_restarted(made: Any, helpers: Any) -> None:
    plan = made(helpers.make_deployment((helpers.make_replica(),), state=State.ACTIVE))
    assert (states(plan), plan.actions) == ([(1, STARTING)], (Start("00000001"),))
    assert plan.status.replicas[0].restart_count == 0


def test_one_that_is_due_before_it_can_be_started_makes_no_busy_loop(made: Any, helpers: Any) -> None:
    due = helpers.make_replica(1, BACKING_OFF, restart_time=helpers.NOON - timedelta(seconds=5))
    plan = made(helpers.make_deployment((due,), state=State.ACTIVE), UNDER_WAY)
    assert (plan.actions, plan.again_time, states(plan)) == ((), None, [(1, BACKING_OFF)])


def test_a_clock_that_was_set_back_keeps_nobody_waiting(made: Any, helpers: Any) -> None:
    far = helpers.make_replica(1, BACKING_OFF, restart_time=helpers.NOON + timedelta(days=365))
    assert made(helpers.make_deployment((far,), state=State.ACTIVE)).actions == (Start("00000001"),)


def test_a_replica_that_is_silent_is_killed_and_started_again_when_it_has_ended(made: Any, helpers: Any) -> None:
    silent = replace(loading(), silent=True, failure=SILENT)
    plan = made(helpers.make_deployment((helpers.make_replica(),), state=State.ACTIVE), r1=silent)
    assert (states(plan), plan.actions) == ([(1, BACKING_OFF)], (Kill("00000001"),))
    due = helpers.make_replica(1, BACKING_OFF, restart_time=helpers.NOON)
    plan = made(helpers.make_deployment((due,), state=State.ACTIVE), r1=silent)
    assert (states(plan), plan.actions) == ([(1, BACKING_OFF)], (Kill("00000001"),)), "not beside the old process"
    plan = made(helpers.make_deployment((due,), state=State.ACTIVE), r1=Observation(failure=SILENT, attempts=1))
    assert plan.status.replicas[0].restart_count == 1


def test_a_replica_that_backed_off_and_is_found_running_is_taken_as_it_is(made: Any, helpers: Any) -> None:
    resting = helpers.make_replica(1, BACKING_OFF, restart_time=helpers.NOON + timedelta(seconds=9))
    plan = made(helpers.make_deployment((resting,), state=State.ACTIVE), r1=answering())
    assert (states(plan), plan.actions, plan.again_time) == ([(1, READY)], (), None)


def test_a_model_that_cannot_be_loaded_ends_all_others_and_starts_nothing(made: Any, helpers: Any) -> None:
    have = tuple(helpers.make_replica(number, STARTING) for number in (1, 2, 3))
    plan = made(helpers.make_deployment(have, wanted=4), r1=Observation(failure=UNLOADABLE, attempts=1), r2=loading(2))
    assert (states(plan), plan.actions) == ([(1, FAILED), (2, DRAINING)], (Drain("00000002"),))
    assert (plan.status.state, plan.status.problem and plan.status.problem.message) == (State.FAILED, "ValueError: no")
    later = made(replace(helpers.make_deployment(), status=plan.status))
    assert (states(later), later.actions) == ([(1, FAILED)], ())
    assert (later.status.reconciling, later.status.problem) == (False, plan.status.problem)


def test_a_model_that_has_served_is_tried_again_whatever_is_said_to_be_final(made: Any, helpers: Any) -> None:
    ended = Observation(failure=UNLOADABLE, attempts=1)
    have = (helpers.make_replica(1), helpers.make_replica(2, STARTING))
    plan = made(helpers.make_deployment(have, wanted=2, state=State.ACTIVE), r1=answering(1), r2=ended)
    assert states(plan) == [(1, READY), (2, BACKING_OFF)]
    # Also where the first answer and the failure are seen in the same look.
    plan = made(helpers.make_deployment(have, wanted=2), r1=answering(1), r2=ended)
    assert states(plan) == [(1, READY), (2, BACKING_OFF)]


def test_what_runs_goes_on_where_the_ground_is_lost(made: Any, helpers: Any) -> None:
    have = (helpers.make_replica(1), helpers.make_replica(2, BACKING_OFF))
    plan = made(helpers.make_deployment(have, wanted=2, state=State.ACTIVE), UNPREPARED, r1=answering(1))
    assert (states(plan), plan.actions) == ([(1, READY)], ())
    assert (plan.status.state, plan.status.reconciling) == (State.ACTIVE, False)
    assert plan.status.problem is not None
    assert plan.status.problem.reason == "ENVIRONMENT_FAILED"


def test_a_deployment_whose_ground_cannot_be_laid_has_failed(made: Any, helpers: Any) -> None:
    plan = made(helpers.make_deployment(), UNPREPARED)
    assert (plan.status.state, plan.status.reconciling, plan.actions) == (State.FAILED, False, ())


@pytest.mark.parametrize(("attempts", "state"), [(1, State.CREATING), (2, State.CREATING), (3, State.FAILED)])
def test_three_ends_in_a_row_fail_a_deployment_that_serves_nothing(
    made: Any, helpers: Any, attempts: int, state: State
) -> None:
    ended = Observation(failure=CRASHED, attempts=attempts)
    plan = made(helpers.make_deployment((helpers.make_replica(1, STARTING),)), r1=ended)
    assert (plan.status.state, plan.status.reconciling) == (state, True)
    assert (plan.status.problem is not None) is (state is State.FAILED)
    condition = plan.status.condition("ReplicasReady")
    assert condition is not None
    assert condition.reason == "REPLICA_CRASHED"


def test_a_deletion_drains_what_runs_and_ends_with_nothing(made: Any, helpers: Any) -> None:
    have = (helpers.make_replica(1), helpers.make_replica(2, BACKING_OFF), helpers.make_replica(3, FAILED))
    plan = made(helpers.make_deployment(have, wanted=3, state=State.DELETING), r1=answering(1))
    assert (states(plan), plan.actions, plan.gone) == ([(1, DRAINING)], (Drain("00000001"),), False)
    later = made(replace(helpers.make_deployment(), status=plan.status), r1=Observation(failure=CRASHED))
    assert (states(later), later.gone) == ([], True)


def test_conditions_keep_the_time_since_when_they_hold(made: Any, helpers: Any) -> None:
    first = made(helpers.make_deployment((helpers.make_replica(),)), r1=answering())
    before = replace(first.status, conditions=tuple(replace(c, transition_time=None) for c in first.status.conditions))
    again = made(replace(helpers.make_deployment(), status=before), r1=answering())
    assert all(condition.transition_time is None for condition in again.status.conditions)
    crashed = made(replace(helpers.make_deployment(), status=before), r1=Observation(failure=CRASHED, attempts=1))
    assert [c.type for c in crashed.status.conditions if c.transition_time is not None] == ["ReplicasReady"]


def test_a_deployer_that_has_just_begun_tells_nothing_new_of_what_serves(made: Any, helpers: Any) -> None:
    before = made(helpers.make_deployment((helpers.make_replica(),)), r1=answering()).status
    for preparation in (Preparation(step="fetching the artifact"), UNDER_WAY):
        assert made(replace(helpers.make_deployment(), status=before), preparation, r1=answering()).status == before


@given(st.integers(-1, 10_000), st.integers(-1, 10_000))
def test_pauses_grow_and_are_bounded(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert 0 <= pause_seconds(less) <= pause_seconds(more) <= LONGEST_PAUSE_SECONDS
    assert pause_seconds(0) == 0 < pause_seconds(1) < pause_seconds(2)
