from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kea_deployer.domain.deployment import Condition, State
from kea_deployer.domain.operation import Operation, Verb, advanced

CREATE, UPDATE, DELETE = Verb.CREATE, Verb.UPDATE, Verb.DELETE


@pytest.mark.parametrize(
    ("verb", "state", "reconciling", "problem", "outcome"),
    [
        (CREATE, State.CREATING, True, False, "goes on"),
        (CREATE, State.ACTIVE, True, False, "succeeds"),
        (CREATE, State.ACTIVE, True, True, "succeeds"),
        (CREATE, State.FAILED, False, True, "fails"),
        (CREATE, State.FAILED, True, True, "fails"),
        (CREATE, State.FAILED, True, False, "goes on"),
        (UPDATE, State.CREATING, True, False, "goes on"),
        (UPDATE, State.ACTIVE, True, False, "goes on"),
        (UPDATE, State.ACTIVE, False, False, "succeeds"),
        (UPDATE, State.ACTIVE, True, True, "fails"),
        (UPDATE, State.FAILED, False, True, "fails"),
        (CREATE, State.DELETING, True, False, "is overtaken"),
        (UPDATE, State.DELETING, True, True, "is overtaken"),
        (DELETE, State.DELETING, True, False, "goes on"),
    ],
)
def test_an_operation_ends_when_the_deployment_has_come_to_where_it_leads(
    helpers: Any, verb: Verb, state: State, *, reconciling: bool, problem: bool, outcome: str
) -> None:
    told = Condition("ReplicasReady", not problem, "REPLICA_CRASHED" if problem else "READY", "said why", helpers.NOON)
    deployment = helpers.make_deployment(state=state, reconciling=reconciling, conditions=(told,))
    begun = Operation.begin(deployment.name, verb, helpers.NOON)
    ended = advanced(begun, deployment, helpers.NOON)
    if outcome == "goes on":
        assert ended == begun
        return
    assert (ended.done, ended.end_time) == (True, helpers.NOON)
    reasons = {"succeeds": "", "fails": "REPLICA_CRASHED", "is overtaken": "DEPLOYMENT_DELETING"}
    assert ended.error_reason == reasons[outcome]
    assert ended.error_message == ("said why" if outcome == "fails" else ended.error_message)


def test_what_has_ended_stays_as_it_is(helpers: Any) -> None:
    deployment = helpers.make_deployment(state=State.DELETING)
    done = Operation.begin(deployment.name, CREATE, helpers.NOON).succeed(helpers.NOON)
    assert advanced(done, deployment, helpers.NOON) == done


def test_operations_belong_to_the_deployments_project(helpers: Any) -> None:
    begun = Operation.begin("projects/other/deployments/echo", CREATE, helpers.NOON)
    assert begun.name.startswith("projects/other/operations/")
    assert replace(begun, name="") != begun
