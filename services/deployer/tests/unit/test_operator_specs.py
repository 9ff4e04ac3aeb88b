from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from kea.router.v1 import endpoint_pb2
from kea_deployer.operator.conditions import TRUE, UNKNOWN, Condition, fails, holds, merged, ready, unknown
from kea_deployer.operator.deployment_spec import read_deployment_spec
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.model_spec import read_model_spec
from kea_deployer.operator.names import ID, deployment_id, endpoint_url, resource_id
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.references import is_news, is_news_for_users, model_of, users_of
from kea_deployer.operator.resource import Resource, read_resource

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD_MODEL = {
    "modelName": "Iris_Classifier",
    "modelFramework": "sklearn",
    "s3Path": "s3://models/iris/model.joblib",
    "inputType": "JSON",
    "outputType": "JSON",
}
SIGNATURE = {
    "methods": [
        {
            "name": "predict",
            "inputs": [{"name": "x", "tensor": {"datatype": "DATATYPE_FP64", "shape": [-1, 4]}}],
            "outputs": [{"name": "y", "tensor": {"datatype": "DATATYPE_INT64", "shape": ["-1"]}}],
        }
    ],
    "defaultMethod": "predict",
}


def problem_of(read: Any, *arguments: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        read(*arguments)
    return caught.value


def resource(kind: str, name: str, **changes: Any) -> Resource:
    metadata = {"namespace": "team-a", "name": name, "uid": name, "generation": 1, "resourceVersion": "1"}
    metadata |= changes.pop("metadata", {})
    return read_resource(kind, {"metadata": metadata, **changes})


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("iris", "iris"),
        ("Iris_Classifier", "iris-classifier"),
        ("fraud.v2", "fraud-v2"),
        ("2024-model", "m-2024-model"),
        ("a" * 63, "a" * 63),
    ],
)
def test_a_name_that_people_have_becomes_an_id(name: str, identifier: str) -> None:
    assert resource_id(name) == identifier


@pytest.mark.parametrize("name", ["x" * 200, "-", "9", "A" * 64, "trailing-", "a--b", "Ä" * 70, "Ирис"])
def test_every_name_becomes_an_id(name: str) -> None:
    assert ID.fullmatch(resource_id(name))


@pytest.mark.parametrize(("one", "other"), [("x" * 200, "x" * 201), ("Ирис", "Роза"), ("modèle", "modéle")])
def test_names_that_ids_cannot_tell_apart_get_different_ones(one: str, other: str) -> None:
    assert resource_id(one) != resource_id(other)


def test_ids_of_deployments_are_those_that_the_command_line_gives() -> None:
    assert (deployment_id("iris", 3), deployment_id("iris", 3, 2)) == ("iris-v3", "iris-v3-2")
    assert ID.fullmatch(deployment_id("e" * 63, 123456, 10))


def test_addresses_are_those_of_the_gateway() -> None:
    assert endpoint_url("https://kea.example/", "default", "iris") == "https://kea.example/models/iris"
    assert endpoint_url("", "lab", "iris") == "/projects/lab/models/iris"


def test_a_manifest_with_the_old_fields_alone_is_a_model() -> None:
    spec = read_model_spec(OLD_MODEL)
    assert (spec.model_id, spec.display_name, spec.framework) == ("iris-classifier", "Iris_Classifier", "sklearn")
    assert (spec.address, spec.signature, spec.requirements) == (OLD_MODEL["s3Path"], None, ())


def test_keas_own_fields_are_read_as_the_api_writes_them() -> None:
    spec = read_model_spec({**OLD_MODEL, "signature": SIGNATURE, "requirements": ["pandas"], "sha256": "AB" * 32})
    assert spec.signature is not None
    assert spec.signature.methods[0].inputs[0].tensor is not None
    assert spec.signature.methods[0].inputs[0].tensor.shape == (-1, 4)
    assert (spec.requirements, spec.sha256) == (("pandas",), "ab" * 32)


@pytest.mark.parametrize(
    ("changes", "reason", "told"),
    [
        ({"modelFramework": "tensorflow"}, "FRAMEWORK_UNSUPPORTED", "'tensorflow'.*sklearn, onnx, python"),
        ({"modelName": ""}, "SPEC_INVALID", "spec.modelName"),
        ({"s3Path": ""}, "SPEC_INVALID", "spec.s3Path"),
        ({"sha256": "abc"}, "SPEC_INVALID", "spec.sha256"),
        ({"signature": {"methods": []}}, "SIGNATURE_INVALID", "methods"),
        ({"signature": {"methods": [{"name": "predict", "inputs": [{"name": "x"}]}]}}, "SIGNATURE_INVALID", "inputs.x"),
        ({"signature": {"nonsense": 1}}, "SIGNATURE_INVALID", "nonsense"),
    ],
)
def test_what_cannot_be_a_model_is_told(changes: dict[str, Any], reason: str, told: str) -> None:
    problem = problem_of(read_model_spec, {**OLD_MODEL, **changes})
    assert (problem.reason, problem.passing) == (reason, False)
    assert re.search(told, str(problem))


def test_a_digest_changes_with_what_becomes_a_new_version_and_with_nothing_else() -> None:
    digest = read_model_spec(OLD_MODEL).digest("etag")
    assert digest == read_model_spec({**OLD_MODEL, "description": "other"}).digest("etag")
    changed = [{"entrypoint": "b.pkl"}, {"requirements": ["x"]}, {"signature": SIGNATURE}, {"s3Path": "s3://a/b"}]
    assert len({digest, *(read_model_spec({**OLD_MODEL, **change}).digest("etag") for change in changed)}) == 5
    assert read_model_spec(OLD_MODEL).digest("other") != digest


def test_a_deployment_with_the_old_fields_alone() -> None:
    resources = {"requests": {"cpu": 1, "memory": "512Mi"}, "limits": {"cpu": "2"}}
    spec = read_deployment_spec("My.Iris", {"modelName": "iris", "replicas": 3, "resources": resources})
    assert (spec.model_name, spec.version, spec.endpoint, spec.replicas) == ("iris", "latest", "my-iris", 3)
    assert dict(spec.pod_template.resource_requests) == {"cpu": "1", "memory": "512Mi"}
    assert dict(spec.pod_template.resource_limits) == {"cpu": "2"}


def test_a_deployment_with_keas_fields() -> None:
    spec = read_deployment_spec(
        "iris",
        {
            "modelName": "iris",
            "modelVersion": 3,
            "endpoint": "flowers",
            "timeout": "1.5s",
            "retry": "Unanswered",
            "limits": {
                "perConsumer": {"requests": 10, "period": "60s"},
                "maxConcurrentRequests": 4,
                "maxConcurrentRequestsPerConsumer": 2,
            },
            "podTemplate": {
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "gpu", "effect": "NoSchedule"}],
                "environment": [
                    {"name": "MODE", "value": "x"},
                    {"name": "KEY", "secret": {"name": "model-k", "key": "a"}},
                ],
            },
            "autoscaling": {"minReplicaCount": 2, "maxReplicaCount": 4, "targetCpuPercent": 70},
        },
    )
    assert (spec.version, spec.endpoint) == ("3", "flowers")
    assert (spec.timeout.seconds, spec.timeout.nanos) == (1, 500_000_000)
    assert spec.retry == endpoint_pb2.Endpoint.RETRY_UNANSWERED
    assert (spec.limits.per_consumer.requests, spec.limits.per_consumer.period.seconds) == (10, 60)
    assert spec.limits.max_concurrent_requests == 4
    assert spec.limits.max_concurrent_requests_per_consumer == 2
    assert [entry.name for entry in spec.pod_template.environment] == ["MODE", "KEY"]
    assert spec.pod_template.environment[1].secret.key == "a"
    assert spec.autoscaling is not None
    assert (spec.autoscaling.max_replica_count, spec.replicas) == (4, None)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"modelName": ""}, "spec.modelName"),
        ({"modelVersion": "../x"}, "spec.modelVersion"),
        ({"replicas": 65}, "spec.replicas is 65; expected 0 to 64"),
        ({"endpoint": "Iris"}, "spec.endpoint"),
        ({"timeout": "soon"}, "spec.timeout"),
        ({"retry": "Always"}, "spec.retry"),
        ({"limits": {"total": 5}}, "spec.limits"),
        ({"podTemplate": {"nonsense": 1}}, "spec.podTemplate"),
        ({"autoscaling": {"minReplicaCount": 3, "maxReplicaCount": 2}}, "spec.autoscaling"),
        ({"replicas": 2, "autoscaling": {"minReplicaCount": 1, "maxReplicaCount": 2}}, "beside autoscaling"),
    ],
)
def test_what_cannot_be_a_deployment_is_told(changes: dict[str, Any], told: str) -> None:
    problem = problem_of(read_deployment_spec, "iris", {"modelName": "iris", **changes})
    assert problem.reason == "SPEC_INVALID"
    assert told in str(problem)


def test_ready_tells_of_the_first_aspect_that_does_not_hold() -> None:
    good, bad, worse = holds("A", "FINE"), fails("B", "BAD", "so"), fails("C", "WORSE", "thus")
    assert ready([good, bad, worse], "ALL") == Condition("Ready", "False", "BAD", "so")
    assert ready([good], "ALL") == Condition("Ready", TRUE, "ALL")


def test_the_time_of_a_transition_stays_while_the_status_does() -> None:
    before = [{"type": "A", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"}]
    (same,) = merged(before, [holds("A", "OTHER_REASON")], 7, NOON)
    (changed,) = merged(before, [fails("A", "BAD")], 7, NOON)
    assert (same["lastTransitionTime"], same["observedGeneration"]) == ("2025-01-01T00:00:00Z", 7)
    assert changed["lastTransitionTime"] == "2026-01-01T12:00:00Z"


def test_while_nothing_can_be_found_out_the_rest_stays_as_it_was_told() -> None:
    before = [{"type": "A", "status": "True", "reason": "FINE", "message": "m"}]
    told = unknown(before, ["A", "B"], Problem(Reason.API_AWAY, "away"))
    assert told == [
        Condition("Ready", UNKNOWN, "API_AWAY", "away"),
        Condition("A", TRUE, "FINE", "m"),
        Condition("B", UNKNOWN, "API_AWAY", "away"),
    ]


def test_a_deployment_means_the_model_that_is_called_so_or_whose_resource_is() -> None:
    old = {"creationTimestamp": "2025-01-01T00:00:00Z"}
    new = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    first = resource("MLModel", "zzz", spec={"modelName": "iris"}, metadata=old)
    second = resource("MLModel", "aaa", spec={"modelName": "iris"}, metadata=new)
    other = resource("MLModel", "iris", spec={"modelName": "something"}, metadata=old)
    assert model_of("iris", [second, other, first]) == first
    assert model_of("aaa", [second, other, first]) == second
    assert model_of("nothing", [first]) is None
    user = resource("MLDeployment", "d", spec={"modelName": "iris"})
    assert users_of(first, [second, other, first], [user]) == [user]
    assert users_of(second, [second, other, first], [user]) == []


def test_what_the_operator_wrote_itself_is_no_news_to_it() -> None:
    before = resource("MLModel", "iris", status={})
    told = resource("MLModel", "iris", status={"version": 1}, metadata={"resourceVersion": "2"})
    assert not is_news(before, told)
    assert is_news_for_users(before, told)
    assert is_news(before, resource("MLModel", "iris", metadata={"generation": 2}))
    assert is_news(before, resource("MLModel", "iris", metadata={"deletionTimestamp": "2026-01-01T12:00:00Z"}))
    assert is_news(None, before)
    assert is_news(before, None)
