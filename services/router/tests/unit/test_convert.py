from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea.deployer.v1 import deployment_pb2
from kea.router.v1 import endpoint_pb2
from kea_core.errors import FieldOutOfBounds
from kea_router import convert
from kea_router.domain.deployment import Replica
from kea_router.domain.endpoint import Endpoint, Retry, Target
from kea_router.domain.endpoint_status import Condition, EndpointState, EndpointStatus

IDS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
TARGETS = st.builds(Target, IDS.map("projects/p/deployments/{}".format), st.integers(0, 10_000))
ENDPOINTS = st.builds(
    Endpoint,
    name=IDS.map("projects/p/endpoints/{}".format),
    targets=st.lists(TARGETS, max_size=16).map(tuple),
    timeout_seconds=st.integers(0, 3_600_000).map(lambda millis: millis / 1000),
    revision=st.integers(1, 2**60),
    create_time=TIMES,
    update_time=TIMES,
)
CONDITIONS = st.builds(Condition, TEXTS, st.booleans(), TEXTS, TEXTS)
STATUSES = st.builds(
    EndpointStatus, st.sampled_from(EndpointState), st.booleans(), st.lists(CONDITIONS, max_size=3).map(tuple)
)


@given(ENDPOINTS, STATUSES)
def test_what_is_wanted_survives_its_message_and_the_rest_is_told(endpoint: Endpoint, status: EndpointStatus) -> None:
    message = convert.endpoint_to_proto(endpoint, status)
    wanted = convert.wanted_from_proto(message)
    assert wanted.targets == endpoint.targets
    assert wanted.timeout_seconds == pytest.approx(endpoint.timeout_seconds, abs=1e-9)
    assert (message.name, message.etag, message.reconciling) == (endpoint.name, endpoint.etag, status.reconciling)
    assert message.create_time.ToDatetime(UTC) == endpoint.create_time
    assert message.update_time.ToDatetime(UTC) == endpoint.update_time
    assert endpoint_pb2.Endpoint.State.Name(message.state) == f"STATE_{status.state.value}"
    assert [(c.type, c.status == 1, c.reason, c.message) for c in message.conditions] == [
        (c.type, c.holds, c.reason, c.message) for c in status.conditions
    ]


def test_every_state_has_its_value() -> None:
    assert set(convert.STATES) == set(EndpointState)


def test_a_conditions_message_is_bounded(helpers: Any) -> None:
    status = EndpointStatus(EndpointState.ACTIVE, False, (Condition("Published", False, "REFUSED", "x" * 10_000),))
    assert len(convert.endpoint_to_proto(helpers.make_endpoint(), status).conditions[0].message) == 4096


def deployment(version: str = "3", *replicas: deployment_pb2.Replica) -> deployment_pb2.Deployment:
    name = "projects/p/deployments/v3"
    return deployment_pb2.Deployment(
        name=name, model_version=f"projects/p/models/iris/versions/{version}", replicas=replicas
    )


def test_only_ready_replicas_are_routed_to_in_the_order_of_their_ids(helpers: Any) -> None:
    states = set(deployment_pb2.Replica.State.keys()) - {"STATE_READY"}
    others = [deployment_pb2.Replica(id=f"other-{state}", state=state) for state in states]
    found = convert.deployment_from_proto(
        deployment("3", helpers.ready_replica("b"), *others, helpers.ready_replica("a"))
    )
    assert (found.name, found.version) == ("projects/p/deployments/v3", 3)
    assert found.replicas == tuple(Replica(i, f"unix:/run/{i}.http", f"unix:/run/{i}.grpc") for i in "ab")


@pytest.mark.parametrize("version", ["latest", "", "1.5", "²"])
def test_a_deployment_of_no_number_is_not_read(version: str) -> None:
    with pytest.raises(convert.DeploymentUnreadable, match="expected a number"):
        convert.deployment_from_proto(deployment(version))


@pytest.mark.parametrize("address", ["nonsense", "host:", "host:port", "host:-1", "host:99999999999"])
def test_a_deployment_with_an_address_that_is_none_is_not_read(helpers: Any, address: str) -> None:
    with pytest.raises(convert.DeploymentUnreadable, match="expected unix:PATH or HOST:PORT"):
        convert.deployment_from_proto(deployment("1", helpers.ready_replica(grpc_address=address)))


def test_what_is_asked_of_the_cluster_is_kept_in_one_order() -> None:
    one, other = deployment(), deployment()
    for name, value in (("cpu", "1"), ("memory", "1Gi")):
        one.pod_template.resource_requests[name] = value
    for name, value in (("memory", "1Gi"), ("cpu", "1")):
        other.pod_template.resource_requests[name] = value
    found = convert.deployment_from_proto(one)
    assert found == convert.deployment_from_proto(other)
    assert found.pod_template == '{"resourceRequests": {"cpu": "1", "memory": "1Gi"}}'
    assert convert.deployment_from_proto(deployment()).pod_template == "{}"


def test_only_an_image_of_ones_own_is_kept_and_that_pinned() -> None:
    built = deployment()
    built.image = "registry.example/kea/iris@sha256:1"
    assert convert.deployment_from_proto(built).prebuilt_image == ""
    built.prebuilt_image = "registry.example/own:latest"
    assert convert.deployment_from_proto(built).prebuilt_image == built.image


@pytest.mark.parametrize("retry", list(Retry))
def test_what_is_retried_survives_both_ways(helpers: Any, retry: Retry) -> None:
    status = EndpointStatus(EndpointState.ACTIVE, False, ())
    shown = convert.endpoint_to_proto(replace(helpers.make_endpoint(), retry=retry), status)
    assert convert.wanted_from_proto(shown).retry is retry
    assert convert.wanted_from_proto(endpoint_pb2.Endpoint()).retry is None


def test_a_replica_need_not_speak_every_protocol(helpers: Any) -> None:
    found = convert.deployment_from_proto(deployment("1", helpers.ready_replica(grpc_address="")))
    assert [replica.grpc_address for replica in found.replicas] == [""]


@pytest.mark.parametrize(
    "name", ["", "iris", "projects/p/endpoints/", "projects/p/models/m", "projects/p/endpoints/a\0"]
)
def test_a_name_that_is_no_endpoints_is_refused(name: str) -> None:
    with pytest.raises(FieldOutOfBounds, match=r"endpoint\.name"):
        convert.endpoint_name(name, "endpoint.name")
    assert convert.endpoint_name("projects/p/endpoints/iris", "name") == "projects/p/endpoints/iris"
