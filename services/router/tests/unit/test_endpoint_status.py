from __future__ import annotations

from typing import Any

import pytest
from kea_router.domain.endpoint_status import EndpointState, Publication, status_of

TAKEN = Publication(acknowledged=True)


def conditions(status: Any) -> dict[str, tuple[bool, str]]:
    return {condition.type: (condition.holds, condition.reason) for condition in status.conditions}


def test_an_endpoint_whose_targets_are_ready_and_taken_is_active(helpers: Any) -> None:
    deployment = helpers.make_deployment()
    status = status_of(helpers.make_endpoint(), {deployment.name: deployment}, TAKEN)
    assert (status.state, status.reconciling) == (EndpointState.ACTIVE, False)
    assert conditions(status) == {"TargetsReady": (True, "READY"), "Published": (True, "ACKNOWLEDGED")}


@pytest.mark.parametrize("replicas", [None, 0])
def test_an_endpoint_without_a_ready_replica_is_unavailable(helpers: Any, replicas: int | None) -> None:
    found = {} if replicas is None else {helpers.deployment_name("v1"): helpers.make_deployment(replicas=replicas)}
    status = status_of(helpers.make_endpoint(), found, TAKEN)
    assert (status.state, status.reconciling) == (EndpointState.UNAVAILABLE, False)
    assert conditions(status)["TargetsReady"] == (False, "NO_READY_REPLICA")


def test_one_ready_target_is_enough_to_be_active_and_the_others_are_named(helpers: Any) -> None:
    deployment = helpers.make_deployment("v1")
    endpoint = helpers.make_endpoint(v1=5_000, v2=5_000)
    status = status_of(endpoint, {deployment.name: deployment}, TAKEN)
    assert status.state is EndpointState.ACTIVE
    assert "deployments/v2" in status.conditions[0].message
    assert "deployments/v1" not in status.conditions[0].message


def test_a_target_without_weight_makes_nothing_active_and_nothing_wait(helpers: Any) -> None:
    deployment = helpers.make_deployment("v1")
    endpoint = helpers.make_endpoint(v1=0, v2=10_000)
    assert status_of(endpoint, {deployment.name: deployment}, TAKEN).state is EndpointState.UNAVAILABLE
    other = helpers.make_deployment("v2")
    assert conditions(status_of(endpoint, {other.name: other}, TAKEN))["TargetsReady"] == (True, "READY")


def test_progress_is_told_apart_from_state(helpers: Any) -> None:
    deployment = helpers.make_deployment()
    pending = status_of(helpers.make_endpoint(), {deployment.name: deployment}, Publication(acknowledged=False))
    assert (pending.state, pending.reconciling) == (EndpointState.ACTIVE, True)
    assert conditions(pending)["Published"] == (False, "PENDING")


def test_a_refusal_is_told(helpers: Any) -> None:
    status = status_of(helpers.make_endpoint(), {}, Publication(acknowledged=False, refusal="no good"))
    assert conditions(status)["Published"] == (False, "REFUSED")
    assert status.conditions[1].message == "no good"
