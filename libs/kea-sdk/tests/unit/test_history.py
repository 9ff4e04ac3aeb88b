from __future__ import annotations

import pytest
from kea.deployer.v1 import deployment_pb2, pod_template_pb2
from kea.router.v1 import endpoint_pb2, endpoint_revision_pb2
from kea_sdk.errors import NotFound
from kea_sdk.history import again, chosen

PARENT = "projects/p/deployments"
Template = pod_template_pb2.PodTemplate


def revision(number: int, *targets: tuple[str, int], cpu: str = "") -> endpoint_revision_pb2.EndpointRevision:
    made = endpoint_revision_pb2.EndpointRevision(number=number)
    for name, weight in targets:
        made.targets.add(deployment=f"{PARENT}/{name}", weight=weight, pod_template=template(cpu))
    return made


def template(cpu: str) -> pod_template_pb2.PodTemplate:
    return Template(resource_requests={"cpu": cpu} if cpu else {})


def endpoint(*targets: tuple[str, int]) -> endpoint_pb2.Endpoint:
    made = endpoint_pb2.Endpoint(name="projects/p/endpoints/iris")
    for name, weight in targets:
        made.targets.add(deployment=f"{PARENT}/{name}", weight=weight)
    return made


def deployments(*names: str, cpu: str = "") -> dict[str, deployment_pb2.Deployment]:
    return {f"{PARENT}/{name}": deployment_pb2.Deployment(pod_template=template(cpu)) for name in names}


V1, V2 = ("iris-v1", 10_000), ("iris-v2", 10_000)


def test_by_default_it_is_the_one_before_what_serves() -> None:
    history = [revision(3, V2), revision(2, V1), revision(1, V2)]
    assert chosen(history, None, endpoint(V2), deployments("iris-v2")).number == 2


def test_what_is_wanted_and_never_served_leads_back_to_what_did() -> None:
    history = [revision(2, V1), revision(1, V2)]
    assert chosen(history, None, endpoint(("iris-v3", 10_000)), deployments("iris-v3")).number == 2


def test_a_changed_template_that_never_served_leads_back_to_what_did() -> None:
    history = [revision(2, V1, cpu="1"), revision(1, V2)]
    assert chosen(history, None, endpoint(V1), deployments("iris-v1", cpu="64")).number == 2
    assert chosen(history, None, endpoint(V1), deployments("iris-v1", cpu="1")).number == 1


def test_a_share_is_a_part_of_what_is_served_and_its_order_is_not() -> None:
    split = [("iris-v1", 9_000), ("iris-v2", 1_000)]
    history = [revision(2, *split), revision(1, V1)]
    both = deployments("iris-v1", "iris-v2")
    assert chosen(history, None, endpoint(*reversed(split)), both).number == 1
    assert chosen(history, None, endpoint(("iris-v1", 5_000), ("iris-v2", 5_000)), both).number == 2


def test_a_target_without_weight_does_not_count() -> None:
    history = [revision(2, V2, ("iris-v1", 0)), revision(1, V1)]
    assert chosen(history, None, endpoint(V2), deployments("iris-v2")).number == 1


def test_a_number_names_any_of_them() -> None:
    history = [revision(7, V2), revision(6, V1)]
    assert chosen(history, 7, endpoint(V2), {}).number == 7
    with pytest.raises(NotFound, match=r"'iris' has no revision 3; kept are: 7, 6") as caught:
        chosen(history, 3, endpoint(V2), {})
    assert caught.value.metadata == {"endpoint": "iris", "revision": "3"}


@pytest.mark.parametrize("history", [[], [revision(1, V1)]])
def test_where_nothing_was_before_that_is_said(history: list[endpoint_revision_pb2.EndpointRevision]) -> None:
    with pytest.raises(NotFound, match="has served nothing else before") as caught:
        chosen(history, None, endpoint(V1), deployments("iris-v1"))
    assert caught.value.reason == "REVISION_NOT_FOUND"


def test_it_runs_as_it_ran_on_as_many_replicas_as_now() -> None:
    part = endpoint_revision_pb2.RevisionTarget(pod_template=template("2"), prebuilt_image="r/i@sha256:1")
    wanted = again(part, deployment_pb2.Deployment(replica_count=5, pod_template=template("64")))
    assert (wanted.replica_count, wanted.pod_template, wanted.prebuilt_image) == (5, template("2"), "r/i@sha256:1")
    assert not wanted.HasField("autoscaling")


def test_the_template_is_said_also_where_there_was_none() -> None:
    assert again(endpoint_revision_pb2.RevisionTarget(), None).HasField("pod_template")
    assert not again(endpoint_revision_pb2.RevisionTarget(), None).HasField("replica_count")


@pytest.mark.parametrize("count", [0, 2])
def test_autoscaling_stays_and_so_does_nothing_at_all(count: int) -> None:
    scaling = pod_template_pb2.Autoscaling(min_replica_count=2, max_replica_count=9)
    now = deployment_pb2.Deployment(replica_count=count, autoscaling=scaling)
    wanted = again(endpoint_revision_pb2.RevisionTarget(), now)
    assert wanted.autoscaling == scaling
    assert wanted.HasField("replica_count") is (count == 0)
