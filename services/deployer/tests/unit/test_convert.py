from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from google.rpc import code_pb2
from hypothesis import given
from hypothesis import strategies as st
from kea.deployer.v1 import deployment_pb2
from kea.registry.v1 import model_version_pb2
from kea_deployer import convert
from kea_deployer.domain.deployment import Condition, ReplicaState, State
from kea_deployer.domain.log_line import LogLine
from kea_deployer.domain.operation import Operation, Verb
from kea_openapi.convert import to_proto
from kea_openapi.signature import from_json

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


def test_every_state_has_its_message() -> None:
    assert set(convert.STATES) == set(State)
    assert {deployment_pb2.Deployment.State.Name(value) for value in convert.STATES.values()} == {
        f"STATE_{state.value}" for state in State
    }
    assert set(convert.REPLICA_STATES) == set(ReplicaState)
    assert {deployment_pb2.Replica.State.Name(value) for value in convert.REPLICA_STATES.values()} == {
        f"STATE_{state.value}" for state in ReplicaState
    }
    frameworks = {value for name, value in model_version_pb2.Framework.items() if name != "FRAMEWORK_UNSPECIFIED"}
    assert set(convert.FRAMEWORKS) == frameworks


def test_a_deployments_message_tells_all_of_it(helpers: Any) -> None:
    replica = helpers.make_replica(3, ReplicaState.BACKING_OFF, restart_count=2, restart_time=helpers.NOON)
    conditions = tuple(
        Condition(kind, holds, "REASON", "words", helpers.NOON)
        for kind, holds in (("A", True), ("B", False), ("C", None))
    )
    deployment = helpers.make_deployment((replica,), wanted=2, state=State.FAILED, conditions=conditions)
    message = convert.deployment_to_proto(deployment)
    assert (message.name, message.model_version) == (deployment.name, deployment.model.name)
    assert (message.replica_count, message.reconciling, message.etag) == (2, True, '"1"')
    assert [(entry.type, entry.status, entry.reason) for entry in message.conditions] == [
        ("A", 1, "REASON"),
        ("B", 2, "REASON"),
        ("C", 3, "REASON"),
    ]
    (told,) = message.replicas
    assert (told.id, told.http_address, told.grpc_address) == (replica.id, replica.http_address, replica.grpc_address)
    assert (told.restart_count, told.pid) == (2, 0)
    assert told.restart_time.ToDatetime(UTC) == helpers.NOON
    assert (
        not convert.deployment_to_proto(
            helpers.make_deployment((replace(replica, restart_time=None, start_time=None),))
        )
        .replicas[0]
        .HasField("restart_time")
    )


@given(TIMES)
def test_times_survive(time: datetime) -> None:
    assert convert.time_to_proto(time).ToDatetime(UTC) == time


def test_a_model_version_is_read_as_far_as_serving_is_concerned(helpers: Any) -> None:
    message = model_version_pb2.ModelVersion(
        name=f"{helpers.MODEL}/versions/1",
        framework=model_version_pb2.FRAMEWORK_PYTHON,
        entrypoint="model.py:Model",
        signature=to_proto(from_json(helpers.SIGNATURE)),
        requirements=["click"],
        sha256="0" * 64,
    )
    found = convert.model_from_proto(message)
    assert replace(found, signature={}) == helpers.make_model(requirements=("click",), signature={})
    assert [method["name"] for method in found.signature["methods"]] == ["echo", "slow"]


@pytest.mark.parametrize("gone", [True, False])
def test_operations_answer_with_what_became_of_them(helpers: Any, *, gone: bool) -> None:
    deployment = None if gone else helpers.make_deployment(step="starting replicas")
    begun = Operation.begin(helpers.NAME, Verb.CREATE, helpers.NOON)
    metadata = deployment_pb2.DeploymentOperationMetadata()
    message = convert.operation_to_proto(begun, deployment)
    assert message.metadata.Unpack(metadata)
    assert (metadata.verb, metadata.step) == ("create", "" if gone else "starting replicas")
    assert message.WhichOneof("result") is None
    done = convert.operation_to_proto(begun.succeed(helpers.NOON), deployment)
    answer = deployment_pb2.Deployment()
    assert done.response.Unpack(answer)
    assert answer.name == helpers.NAME
    failed = convert.operation_to_proto(begun.fail("REPLICA_CRASHED", "it ended", helpers.NOON), deployment)
    assert (failed.error.code, failed.error.message) == (code_pb2.FAILED_PRECONDITION, "it ended")
    deletion = Operation.begin(helpers.NAME, Verb.DELETE, helpers.NOON).succeed(helpers.NOON)
    assert convert.operation_to_proto(deletion, deployment).response.TypeName() == "google.protobuf.Empty"


@given(st.lists(st.integers(0, 400_000), max_size=30))
def test_lines_are_sent_in_their_order_in_messages_of_bounded_size(sizes: list[int]) -> None:
    lines = [LogLine(datetime(2026, 1, 1, tzinfo=UTC), "", "x" * size) for size in sizes]
    messages = list(convert.lines_to_proto(lines))
    assert [len(entry.text) for message in messages for entry in message.entries] == sizes
    assert all(message.entries for message in messages)
    assert all(message.ByteSize() < 2 * convert.BATCH_BYTES for message in messages)


def test_many_short_lines_are_several_messages() -> None:
    lines = [LogLine(datetime(2026, 1, 1, tzinfo=UTC), "", "")] * (convert.BATCH_ENTRIES + 1)
    assert [len(message.entries) for message in convert.lines_to_proto(lines)] == [convert.BATCH_ENTRIES, 1]
