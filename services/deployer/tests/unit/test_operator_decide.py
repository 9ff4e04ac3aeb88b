from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import duration_pb2, timestamp_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import deployment_pb2, pod_template_pb2
from kea.router.v1 import endpoint_pb2, limits_pb2
from kea_deployer.operator.conditions import Condition
from kea_deployer.operator.decide_deployment import decide, decide_deletion
from kea_deployer.operator.deployment_plan import (
    CreateDeployment,
    CreateEndpoint,
    DeleteDeployment,
    DeleteEndpoint,
    Observed,
    Plan,
    UpdateDeployment,
    UpdateEndpoint,
    Version,
)
from kea_deployer.operator.deployment_spec import DeploymentSpec
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason

State = deployment_pb2.Deployment
OWNER = "team-a/iris"
SPEC = DeploymentSpec(model_name="iris", version="latest", endpoint="iris", replicas=2)
ENDPOINT = "projects/default/endpoints/iris"


def version(number: int, seconds: int = 10) -> Version:
    name = f"projects/default/models/iris/versions/{number}"
    return Version(name, number, timestamp_pb2.Timestamp(seconds=seconds))


def deployment(number: int, state: int = State.STATE_ACTIVE, **changes: Any) -> deployment_pb2.Deployment:
    ready = state == State.STATE_ACTIVE
    replica = deployment_pb2.Replica(
        id="a", state=deployment_pb2.Replica.STATE_READY if ready else deployment_pb2.Replica.STATE_STARTING
    )
    values: dict[str, Any] = {
        "name": f"projects/default/deployments/iris-v{number}",
        "model_version": version(number).name,
        "replica_count": 2,
        "state": state,
        "replicas": [replica],
        "create_time": timestamp_pb2.Timestamp(seconds=20),
        "managed_by": OWNER,
        "etag": f"d{number}",
    }
    return deployment_pb2.Deployment(**{**values, **changes})


def endpoint(*numbers: int, published: bool = True, **changes: Any) -> endpoint_pb2.Endpoint:
    targets = [
        endpoint_pb2.Target(deployment=f"projects/default/deployments/iris-v{number}", weight=10_000 // len(numbers))
        for number in numbers
    ]
    values: dict[str, Any] = {
        "name": ENDPOINT,
        "targets": targets,
        "state": endpoint_pb2.Endpoint.STATE_ACTIVE,
        "reconciling": not published,
        "managed_by": OWNER,
        "etag": "e1",
    }
    return endpoint_pb2.Endpoint(**{**values, **changes})


def plan(observed: Observed, wanted: Version | Problem | None = None, spec: DeploymentSpec = SPEC) -> Plan:
    return decide(OWNER, "default", spec, wanted or version(1), observed)


def condition(found: Plan, aspect: str) -> Condition:
    return next(entry for entry in found.conditions if entry.type == aspect)


def deleted(found: Plan) -> list[str]:
    return [action.name.rpartition("/")[2] for action in found.actions if isinstance(action, DeleteDeployment)]


def test_at_first_a_deployment_is_made_and_no_endpoint_until_it_serves() -> None:
    (made,) = plan(Observed(None)).actions
    assert isinstance(made, CreateDeployment)
    assert made.name == "projects/default/deployments/iris-v1"
    assert (made.message.model_version, made.message.replica_count, made.message.managed_by) == (
        version(1).name,
        2,
        OWNER,
    )
    coming = plan(Observed(None, deployments=(deployment(1, State.STATE_CREATING),)))
    assert (coming.actions, coming.state) == ((), "Starting")
    assert not condition(coming, "DeploymentReady").holds
    (published,) = plan(Observed(None, deployments=(deployment(1),))).actions
    assert isinstance(published, CreateEndpoint)
    assert published.message.managed_by == OWNER
    assert [target.weight for target in published.message.targets] == [10_000]


def test_where_all_is_as_it_should_be_nothing_is_done() -> None:
    found = plan(Observed(endpoint(1), deployments=(deployment(1),)))
    assert (found.actions, found.state, found.again_seconds) == ((), "Serving", None)
    assert all(entry.holds for entry in found.conditions)
    assert (found.version, found.replicas, found.ready_replicas) == (1, 1, 1)


def test_a_new_version_comes_up_beside_the_old_one() -> None:
    found = plan(Observed(endpoint(1), deployments=(deployment(1),)), version(2))
    assert [type(action) for action in found.actions] == [CreateDeployment]
    coming = Observed(endpoint(1), deployments=(deployment(1), deployment(2, State.STATE_CREATING)))
    waits = plan(coming, version(2))
    assert (waits.actions, waits.state) == ((), "RollingOut")
    assert condition(waits, "EndpointReady").reason == Reason.ENDPOINT_PENDING


def test_the_endpoint_moves_once_the_new_version_serves_and_only_as_it_was_seen() -> None:
    (moved,) = plan(Observed(endpoint(1), deployments=(deployment(1), deployment(2))), version(2)).actions
    assert isinstance(moved, UpdateEndpoint)
    assert moved.paths == ("targets",)
    assert moved.message.etag == "e1"
    assert [target.deployment.rpartition("/")[2] for target in moved.message.targets] == ["iris-v2"]


def test_the_old_version_stays_until_all_gateways_send_to_the_new_one() -> None:
    both = (deployment(1), deployment(2))
    moving = plan(Observed(endpoint(2, published=False), deployments=both), version(2))
    assert moving.actions == ()
    assert moving.again_seconds is not None, "no watch tells when gateways have taken it"
    assert deleted(plan(Observed(endpoint(2), deployments=both), version(2))) == ["iris-v1"]


def test_what_endpoints_of_others_send_to_is_not_taken_down() -> None:
    both = (deployment(1), deployment(2))
    others = frozenset({deployment(1).name})
    assert plan(Observed(endpoint(2), deployments=both, others=others), version(2)).actions == ()


def test_a_version_that_never_served_and_is_not_wanted_any_more_goes_at_once() -> None:
    there = (deployment(1), deployment(2, State.STATE_CREATING), deployment(3, State.STATE_CREATING))
    assert deleted(plan(Observed(endpoint(1), deployments=there), version(3))) == ["iris-v2"]


def test_a_new_version_that_fails_changes_nothing_for_callers() -> None:
    told = condition_pb2.Condition(
        type="ReplicasReady",
        status=condition_pb2.Condition.STATUS_FALSE,
        reason="MODEL_LOAD_FAILED",
        message="no module named x",
    )
    failed = deployment(2, State.STATE_FAILED, conditions=[told])
    found = plan(Observed(endpoint(1), deployments=(deployment(1), failed)), version(2))
    assert (found.actions, found.state) == ((), "Degraded")
    shown = condition(found, "DeploymentReady")
    assert (shown.reason, "no module named x" in shown.message) == ("MODEL_LOAD_FAILED", True)


def test_a_new_version_that_fails_before_it_is_published_gives_the_endpoint_back() -> None:
    there = (deployment(1), deployment(2, State.STATE_FAILED))
    (back,) = plan(Observed(endpoint(2, published=False), deployments=there), version(2)).actions
    assert isinstance(back, UpdateEndpoint)
    assert [target.deployment.rpartition("/")[2] for target in back.message.targets] == ["iris-v1"]


def test_while_the_version_is_not_known_nothing_changes() -> None:
    away = Problem(Reason.API_AWAY, "the registry is away", passing=True)
    found = plan(Observed(endpoint(1), deployments=(deployment(1), deployment(2))), away)
    assert (found.actions, found.state, found.version) == ((), "Serving", 1)
    assert {entry.reason for entry in found.conditions} == {"API_AWAY"}


def test_an_endpoint_of_somebody_else_is_left_alone_and_told() -> None:
    for owner in ("", "team-b/iris"):
        found = plan(Observed(endpoint(1, managed_by=owner), deployments=(deployment(2),)), version(2))
        assert (found.actions, found.state) == ((), "Conflict")
        told = condition(found, "EndpointReady")
        assert told.reason == Reason.CONFLICT
        assert owner in told.message
        assert "spec.endpoint" in told.message


def test_a_name_that_is_taken_is_passed_over() -> None:
    (made,) = plan(Observed(None, taken=frozenset({"projects/default/deployments/iris-v1"}))).actions
    assert isinstance(made, CreateDeployment)
    assert made.name == "projects/default/deployments/iris-v1-2"


def test_a_deployment_of_a_model_that_was_deleted_and_made_anew_is_not_gone_on_with() -> None:
    old = deployment(1, create_time=timestamp_pb2.Timestamp(seconds=5))
    (made,) = plan(Observed(endpoint(1), deployments=(old,)), version(1, seconds=10)).actions
    assert isinstance(made, CreateDeployment)
    assert made.name.endswith("iris-v1-2")


def test_what_is_being_taken_down_is_not_gone_on_with() -> None:
    (made,) = plan(Observed(None, deployments=(deployment(1, State.STATE_DELETING),))).actions
    assert isinstance(made, CreateDeployment)


def test_another_number_of_replicas_and_another_template_are_written_as_they_were_seen() -> None:
    template = pod_template_pb2.PodTemplate(resource_limits={"memory": "1Gi"})
    spec = DeploymentSpec("iris", "latest", "iris", replicas=3, pod_template=template)
    (changed,) = plan(Observed(endpoint(1), deployments=(deployment(1),)), spec=spec).actions
    assert isinstance(changed, UpdateDeployment)
    assert changed.paths == ("replica_count", "pod_template")
    assert (changed.message.replica_count, changed.message.pod_template, changed.message.etag) == (3, template, "d1")


def test_autoscaling_takes_the_place_of_a_number_and_gives_it_back() -> None:
    autoscaling = pod_template_pb2.Autoscaling(min_replica_count=2, max_replica_count=5, target_cpu_percent=70)
    spec = DeploymentSpec("iris", "latest", "iris", autoscaling=autoscaling)
    (made,) = plan(Observed(None), spec=spec).actions
    assert isinstance(made, CreateDeployment)
    assert not made.message.HasField("replica_count")
    scaled = deployment(1, autoscaling=autoscaling, replica_count=2)
    assert plan(Observed(endpoint(1), deployments=(scaled,)), spec=spec).actions == ()
    (back,) = plan(Observed(endpoint(1), deployments=(scaled,)), spec=SPEC).actions
    assert isinstance(back, UpdateDeployment)
    assert set(back.paths) == {"replica_count", "autoscaling"}
    assert not back.message.HasField("autoscaling")


def test_without_replicas_by_wish_the_endpoint_stays_and_is_idle() -> None:
    spec = DeploymentSpec("iris", "latest", "iris", replicas=0)
    idle = deployment(1, State.STATE_IDLE, replica_count=0, replicas=[])
    found = plan(Observed(endpoint(1, state=endpoint_pb2.Endpoint.STATE_UNAVAILABLE), deployments=(idle,)), spec=spec)
    assert (found.actions, found.state) == ((), "Idle")
    assert all(entry.holds for entry in found.conditions)


def test_who_may_call_and_for_how_long_is_changed_without_waiting_for_a_version() -> None:
    spec = DeploymentSpec(
        *("iris", "latest", "iris", 2),
        timeout=duration_pb2.Duration(seconds=5),
        retry=endpoint_pb2.Endpoint.RETRY_UNANSWERED,
    )
    there = Observed(endpoint(1), deployments=(deployment(1), deployment(2, State.STATE_CREATING)))
    (changed,) = plan(there, version(2), spec).actions
    assert isinstance(changed, UpdateEndpoint)
    assert changed.paths == ("timeout", "retry")
    assert changed.message.retry == endpoint_pb2.Endpoint.RETRY_UNANSWERED
    assert not changed.message.targets


def test_limits_come_with_the_endpoint_and_are_put_right() -> None:
    limits = limits_pb2.Limits(total=limits_pb2.RateLimit(requests=5))
    spec = DeploymentSpec("iris", "latest", "iris", 2, limits=limits)
    (made,) = plan(Observed(None, deployments=(deployment(1),)), spec=spec).actions
    assert isinstance(made, CreateEndpoint)
    assert made.message.limits == limits
    (changed,) = plan(Observed(endpoint(1), deployments=(deployment(1),)), spec=spec).actions
    assert isinstance(changed, UpdateEndpoint)
    assert (changed.paths, changed.message.limits) == (("limits",), limits)
    limited = endpoint(1)
    limited.limits.CopyFrom(limits)
    assert plan(Observed(limited, deployments=(deployment(1),)), spec=spec).actions == ()
    (freed,) = plan(
        Observed(limited, deployments=(deployment(1),)), spec=DeploymentSpec("iris", "latest", "iris", 2)
    ).actions
    assert isinstance(freed, UpdateEndpoint)
    assert (freed.paths, freed.message.HasField("limits")) == (("limits",), False)


def test_an_endpoint_of_a_project_the_namespace_was_in_goes_once_the_new_one_serves() -> None:
    stray = "projects/old/endpoints/iris"
    coming = Observed(None, strays=(stray,), deployments=(deployment(1, State.STATE_CREATING),))
    assert plan(coming).actions == ()
    there = Observed(endpoint(1), strays=(stray,), deployments=(deployment(1),))
    assert plan(there).actions == (DeleteEndpoint(stray),)


def test_deletion_takes_the_names_first_then_what_stands_behind_them() -> None:
    there = Observed(endpoint(1), deployments=(deployment(1), deployment(2)))
    first = decide_deletion(OWNER, there)
    assert (first.actions, first.gone) == ((DeleteEndpoint(ENDPOINT),), False)
    second = decide_deletion(OWNER, Observed(None, deployments=(deployment(1), deployment(2, State.STATE_DELETING))))
    assert deleted(second) == ["iris-v1"]
    assert not second.gone, "what is going is not gone"
    assert decide_deletion(OWNER, Observed(None)).gone


def test_deletion_leaves_what_others_manage() -> None:
    found = decide_deletion(OWNER, Observed(endpoint(1, managed_by="team-b/iris")))
    assert (found.actions, found.gone) == ((), True)


@pytest.mark.parametrize("published", [True, False])
def test_a_plan_never_takes_down_where_requests_go(*, published: bool) -> None:
    for states in [(a, b) for a in (1, 2, 3, 4, 5) for b in (1, 2, 3, 4, 5)]:
        there = tuple(deployment(number, state) for number, state in enumerate(states, 1))
        for target in (1, 2):
            for wanted in (1, 2, 3):
                observed = Observed(endpoint(target, published=published), deployments=there)
                assert f"iris-v{target}" not in deleted(plan(observed, version(wanted)))
