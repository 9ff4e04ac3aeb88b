"""What is decided about a deployment on a cluster, by what is seen of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_deployer.cluster.actions import Put, Remove
from kea_deployer.cluster.decide import decide
from kea_deployer.cluster.observation import Observation, Pod
from kea_deployer.domain.conditions import Preparation
from kea_deployer.domain.deployment import ReplicaState, State
from kea_deployer.domain.plan import Failure, Plan

READY = Preparation(artifact_ready=True, environment_ready=True)
BUILDING = Preparation(step="pushing the image", artifact_ready=True)
PATIENCE = timedelta(seconds=60)
WANTED = [{"kind": kind, "metadata": {"name": "echo-1"}, "spec": {"n": 1}} for kind in ("Service", "Deployment")]
THERE = {item["kind"]: {**item, "status": {}} for item in WANTED}


def pod(number: int = 1, **changes: Any) -> Pod:
    values: dict[str, Any] = {
        "name": f"echo-{number}",
        "uid": f"u{number}",
        "address": f"10.0.0.{number}",
        "terminating": False,
        "phase": "Running",
        "start_time": None,
        "unscheduled_since": None,
        "unscheduled_message": "",
        "waiting_reason": "",
        "waiting_message": "",
        "restart_count": 0,
        "exit_code": None,
        "exit_reason": "",
        "exit_message": "",
    }
    return Pod(**{**values, **changes})


@pytest.fixture(scope="session")
def made(helpers: Any) -> Any:
    def decided(
        *pods: Pod,
        ready: Sequence[int] = (),
        wanted: int = 1,
        preparation: Preparation = READY,
        objects: Any = THERE,
        refusal: str = "",
        refused: Failure | None = None,
        rolled_out: bool = True,
        **status: Any,
    ) -> Plan:
        deployment = helpers.make_deployment(wanted=wanted, **{"image": "r/a@sha256:0", **status})
        addresses = {f"echo-{number}": f"10.0.0.{number}" for number in ready}
        observation = Observation(objects, pods, addresses, refusal, rolled_out=rolled_out)
        return decide(
            *(deployment, preparation, observation, WANTED, wanted, helpers.NOON), refusal=refused, patience=PATIENCE
        )

    return decided


def problem(plan: Plan) -> tuple[str, str]:
    found = plan.status.problem
    return ("", "") if found is None else (found.reason, found.message)


def test_what_is_missing_or_otherwise_is_put(made: Any) -> None:
    assert made(objects={}).actions == tuple(Put(item, ours=False) for item in WANTED)
    drifted = {**THERE, "Service": {**THERE["Service"], "spec": {"n": 2}}}
    assert made(objects=drifted).actions == (Put(WANTED[0], ours=True),)
    assert made().actions == ()


def test_what_is_not_wanted_any_more_is_removed(made: Any) -> None:
    more = {**THERE, "NetworkPolicy": {"metadata": {"name": "echo-1"}}}
    assert made(objects=more).actions == (Remove("NetworkPolicy", "echo-1"),)


def test_it_serves_once_an_endpoint_slice_says_so(made: Any) -> None:
    coming = made(pod())
    assert [replica.state for replica in coming.status.replicas] == [ReplicaState.STARTING]
    assert (coming.status.state, coming.status.reconciling) == (State.CREATING, True)
    plan = made(pod(), ready=[1])
    (replica,) = plan.status.replicas
    assert (replica.state, replica.http_address, replica.grpc_address) == (
        ReplicaState.READY,
        "10.0.0.1:8080",
        "10.0.0.1:8081",
    )
    assert (plan.status.state, plan.status.reconciling, problem(plan)) == (State.ACTIVE, False, ("", ""))


def test_an_address_of_ip_6_is_written_in_brackets(made: Any) -> None:
    assert made(pod(address="fd00::1")).status.replicas[0].http_address == "[fd00::1]:8080"


def test_a_pod_that_ends_drains_and_counts_no_more(made: Any) -> None:
    plan = made(pod(1, terminating=True), pod(2), ready=[2])
    assert [replica.state for replica in plan.status.replicas] == [ReplicaState.DRAINING, ReplicaState.READY]
    assert (plan.status.state, plan.status.reconciling) == (State.ACTIVE, True)


def test_a_pod_that_has_ended_for_good_is_no_replica(made: Any) -> None:
    assert made(pod(phase="Failed")).status.replicas == ()


def test_without_replicas_it_is_idle(made: Any) -> None:
    plan = made(wanted=0, state=State.ACTIVE)
    assert (plan.status.state, plan.status.reconciling, problem(plan)) == (State.IDLE, False, ("", ""))
    again = made(pod(), state=State.IDLE)
    assert (again.status.state, again.status.reconciling) == (State.CREATING, True)


@pytest.mark.parametrize(
    ("changes", "reason", "message"),
    [
        ({"waiting_reason": "ErrImagePull", "waiting_message": "not found"}, "IMAGE_PULL_FAILED", "not found"),
        ({"waiting_reason": "ImagePullBackOff"}, "IMAGE_PULL_FAILED", "ImagePullBackOff"),
        (
            {"waiting_reason": "CreateContainerConfigError", "waiting_message": "no secret"},
            "CONTAINER_FAILED",
            "CreateContainerConfigError: no secret",
        ),
        (
            {"exit_code": 78, "exit_message": "Traceback\n  line\nValueError: no model\n", "restart_count": 0},
            "MODEL_LOAD_FAILED",
            "ValueError: no model",
        ),
        ({"exit_code": 78}, "MODEL_LOAD_FAILED", "the model cannot be loaded; its log says why"),
        (
            {"exit_code": 1, "exit_message": "boom", "restart_count": 3},
            "REPLICA_CRASHED",
            "a replica ended with code 1: boom",
        ),
        (
            {"exit_code": 137, "exit_reason": "OOMKilled", "restart_count": 3},
            "OUT_OF_MEMORY",
            "a replica was ended because it used more memory than its limit",
        ),
    ],
)
def test_why_a_pod_does_not_come_up_is_told(made: Any, changes: dict[str, Any], reason: str, message: str) -> None:
    plan = made(pod(**changes))
    assert problem(plan) == (reason, message)
    assert (plan.status.state, plan.status.reconciling) == (State.FAILED, True)
    serving = made(pod(1), pod(2, **changes), ready=[1], wanted=2)
    assert problem(serving) == (reason, message)
    assert serving.status.state is State.ACTIVE


def test_a_replica_that_crashed_once_is_no_problem_yet(made: Any) -> None:
    plan = made(pod(exit_code=1, restart_count=1))
    assert plan.status.state is State.CREATING
    assert plan.status.problem is None
    assert plan.status.condition("ReplicasReady").reason == "REPLICA_CRASHED"


def test_a_replica_that_serves_again_is_not_blamed_for_its_past(made: Any) -> None:
    assert problem(made(pod(exit_code=1, restart_count=9), ready=[1])) == ("", "")


def test_a_cluster_gets_time_to_grow(made: Any, helpers: Any) -> None:
    waiting: dict[str, Any] = {"unscheduled_message": "0/1 nodes are available: 1 Insufficient cpu."}
    since = helpers.NOON - timedelta(seconds=20)
    patient = made(pod(unscheduled_since=since, **waiting))
    assert (patient.status.state, patient.status.problem) == (State.CREATING, None)
    assert patient.status.step == "waiting for a node: 0/1 nodes are available: 1 Insufficient cpu."
    assert patient.again_time == helpers.NOON + timedelta(seconds=40)
    enough = made(pod(unscheduled_since=since - timedelta(seconds=40), **waiting))
    assert problem(enough) == ("UNSCHEDULABLE", "0/1 nodes are available: 1 Insufficient cpu.")
    assert (enough.status.state, enough.again_time) == (State.FAILED, None)


def test_what_keeps_pods_from_being_made_is_told(made: Any) -> None:
    quota = made(refusal='pods "echo-1" is forbidden: exceeded quota: small, requested: pods=1')
    assert problem(quota)[0] == "QUOTA_EXCEEDED"
    policy = made(refusal='pods "echo-1" is forbidden: violates PodSecurity "restricted"')
    assert problem(policy)[0] == "POD_REFUSED"
    assert policy.status.state is State.FAILED


def test_what_the_cluster_refuses_is_told(made: Any) -> None:
    plan = made(objects={}, refused=Failure("OBJECT_REFUSED", "Service/echo-1: forbidden", final=False))
    assert problem(plan) == ("OBJECT_REFUSED", "Service/echo-1: forbidden")


def test_nothing_is_put_before_the_image_is_there(helpers: Any) -> None:
    observation = Observation({}, (), {}, "", rolled_out=False)
    deployment = helpers.make_deployment()
    plan = decide(deployment, BUILDING, observation, [], 1, helpers.NOON, refusal=None, patience=PATIENCE)
    assert (plan.actions, plan.status.step) == ((), "pushing the image")
    failed = Preparation(artifact_ready=True, failure=Failure("ENVIRONMENT_FAILED", "no such package", final=True))
    plan = decide(deployment, failed, observation, [], 1, helpers.NOON, refusal=None, patience=PATIENCE)
    assert problem(plan) == ("ENVIRONMENT_FAILED", "no such package")
    assert (plan.status.state, plan.status.reconciling) == (State.FAILED, False)


@pytest.mark.parametrize("reason", ["REGISTRY_DENIED", "IMAGE_NOT_FOUND", "BASE_IMAGE_UNSUITABLE"])
def test_why_there_is_no_image_is_told_in_its_own_reason(helpers: Any, reason: str) -> None:
    failed = Preparation(artifact_ready=True, failure=Failure(reason, "no", final=True))
    observation = Observation({}, (), {}, "", rolled_out=False)
    deployment = helpers.make_deployment()
    plan = decide(deployment, failed, observation, [], 1, helpers.NOON, refusal=None, patience=PATIENCE)
    assert problem(plan) == (reason, "no")


def test_what_is_deleted_drains_and_is_gone_when_nothing_is_left(made: Any) -> None:
    plan = made(pod(), ready=[1], state=State.DELETING)
    assert plan.actions == (Remove("Service", "echo-1"), Remove("Deployment", "echo-1"))
    assert [replica.state for replica in plan.status.replicas] == [ReplicaState.DRAINING]
    assert not plan.gone
    going = {"Service": {**THERE["Service"], "metadata": {"name": "echo-1", "deletionTimestamp": "x"}}}
    assert made(state=State.DELETING, objects=going).actions == ()
    assert not made(pod(terminating=True), state=State.DELETING, objects={}).gone
    assert made(state=State.DELETING, objects={}).gone


@given(numbers=st.lists(st.integers(1, 9), unique=True, max_size=6), data=st.data())
def test_numbers_are_kept_and_never_given_twice(made: Any, numbers: list[int], data: st.DataObject) -> None:
    pods = [pod(number) for number in numbers]
    first = made(*pods).status.replicas
    later = data.draw(st.permutations([*pods, pod(10), pod(11)]))
    second = made(*later, replicas=first).status.replicas
    before, after = ({replica.id: replica.number for replica in found} for found in (first, second))
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == len(after)


def test_it_is_not_settled_before_kubernetes_has_made_of_it_what_is_asked(made: Any) -> None:
    assert not made(pod(), ready=[1]).status.reconciling
    replaced = made(pod(), ready=[1], rolled_out=False)
    assert (replaced.status.state, replaced.status.reconciling) == (State.ACTIVE, True)
    drifted = made(pod(), ready=[1], objects={**THERE, "Service": {**THERE["Service"], "spec": {"n": 2}}})
    assert (drifted.status.state, drifted.status.reconciling) == (State.ACTIVE, True)
