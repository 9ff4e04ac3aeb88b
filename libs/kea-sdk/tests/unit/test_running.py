"""What `kea deploy` is told of how a deployment shall run."""

from __future__ import annotations

from typing import Any

import pytest
from kea.deployer.v1 import deployment_pb2
from kea_sdk.errors import InvalidArgument
from kea_sdk.running import differing, pod_template_of, running


def template(given: dict[str, Any] | None = None, **options: Any) -> dict[str, Any] | None:
    said: dict[str, Any] = {"cpu": None, "memory": None, "gpus": None, "environment": (), "secrets": (), **options}
    return pod_template_of(given or {}, **said)


def test_nothing_said_is_nothing_wanted() -> None:
    assert template() is None
    assert running(None, None, None) == deployment_pb2.Deployment()


def test_options_become_a_template() -> None:
    made = template(cpu="500m", memory="1Gi", gpus=2, environment=["A=b=c", "E="], secrets=["T=model-hub/token"])
    wanted = running(0, made, None)
    assert wanted.HasField("replica_count")
    assert wanted.pod_template.resource_requests == {"cpu": "500m", "memory": "1Gi"}
    assert wanted.pod_template.resource_limits == {"memory": "1Gi", "nvidia.com/gpu": "2"}
    assert [(variable.name, variable.value) for variable in wanted.pod_template.environment[:2]] == [
        ("A", "b=c"),
        ("E", ""),
    ]
    assert wanted.pod_template.environment[2].secret.key == "token"


def test_options_count_more_than_the_file() -> None:
    given: dict[str, Any] = {
        "resource_requests": {"cpu": "1", "ephemeral-storage": "1Gi"},
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "nodeSelector": {"pool": "a"},
    }
    made = template(given, cpu="2", environment=["B=3"])
    assert made is not None
    assert made["resource_requests"] == {"cpu": "2", "ephemeral-storage": "1Gi"}
    assert made["environment"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]
    assert running(None, made, None).pod_template.node_selector == {"pool": "a"}
    assert given["environment"][1] == {"name": "B", "value": "2"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"environment": ["A"]}, "NAME=VALUE"),
        ({"secrets": ["A=model-x"]}, "NAME=SECRET/KEY"),
        ({"secrets": ["model-x/key"]}, "NAME=SECRET/KEY"),
    ],
)
def test_an_option_of_another_form_is_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidArgument, match=f"expected {expected}"):
        template(**options)


def test_a_field_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgument, match=r'pod template: .*"nodes"'):
        running(None, {"nodes": 1}, None)
    with pytest.raises(InvalidArgument, match=r"autoscaling: .*min_replica_count"):
        running(None, None, {"min_replica_count": "few"})


def test_only_what_is_wanted_otherwise_is_changed() -> None:
    scaling = {"min_replica_count": 1, "max_replica_count": 3, "target_cpu_percent": 50}
    found = running(2, {"labels": {"a": "b"}}, None)
    assert differing(found, running(None, None, None)) == []
    assert differing(found, running(2, {"labels": {"a": "b"}}, None)) == []
    assert differing(found, running(3, {}, scaling)) == ["replica_count", "pod_template", "autoscaling"]
