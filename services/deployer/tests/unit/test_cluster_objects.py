"""What is applied to a cluster, and what is read from it."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_core.database import DatabaseSettings
from kea_core.settings import SettingsError
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.builds.target import Target
from kea_deployer.cluster.api import resource_of
from kea_deployer.cluster.drift import covers
from kea_deployer.cluster.names import SELECTOR, deployment_of, labels_of, object_name
from kea_deployer.cluster.objects import objects_of
from kea_deployer.cluster.observation import observe
from kea_deployer.cluster.scaling import wanted_replicas
from kea_deployer.cluster.settings import ClusterSettings
from kea_deployer.domain.autoscaling import Autoscaling
from kea_deployer.domain.pod_template import PodTemplate, SecretKey, Toleration, Variable
from kea_deployer.settings import DeployerSettings

TARGET = Target.parse("linux/amd64", "3.11")
IMAGE = "r.example/models/default/echo@sha256:" + "0" * 64
IDS = st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


def settings(**changes: Any) -> DeployerSettings:
    return DeployerSettings(
        address="unix:/a",
        auth_address="unix:/b",
        registry_address="unix:/c",
        database=DatabaseSettings(url="sqlite:///x"),
        credential_file=Path("/secret"),
        data_directory=Path("/data"),
        platform="kubernetes",
        images=ImageSettings(repository="r.example/models", base="r.example/python:3.11"),
        cluster=replace(ClusterSettings(namespace="models"), **changes),
    )


def made(helpers: Any, asked: dict[str, Any] | None = None, **changes: Any) -> dict[str, dict[str, Any]]:
    deployment = replace(helpers.make_deployment(wanted=2, image=IMAGE), **(asked or {}))
    return {item["kind"]: item for item in objects_of(deployment, 2, settings(**changes), TARGET)}


def container_of(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


@given(IDS, IDS)
def test_names_fit_and_labels_lead_back(project: str, deployment: str) -> None:
    name = f"projects/{project}/deployments/{deployment}"
    called = object_name(name)
    assert len(called) <= 49
    assert called[0].isalpha()
    assert called.replace("-", "").isalnum()
    assert "--" not in called[-10:]
    assert deployment_of(labels_of(name)) == name


def test_projects_do_not_meet() -> None:
    names = {object_name(f"projects/{p}/deployments/{d}") for p, d in (("a", "b-c"), ("a-b", "c"), ("b", "b-c"))}
    assert len(names) == 3
    assert deployment_of({"app.kubernetes.io/managed-by": "helm"}) is None


def test_every_pod_is_restricted_bounded_and_probed(helpers: Any) -> None:
    pod = made(helpers)["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert container["resources"] == {"requests": {"cpu": "100m", "memory": "256Mi"}}
    drain = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= drain + 10


def test_limits_and_pull_secrets_are_as_set(helpers: Any) -> None:
    pod = made(helpers, memory_limit="1Gi", pull_secret="pull")["Deployment"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "1Gi"}
    assert pod["imagePullSecrets"] == [{"name": "pull"}]


def test_only_the_gateway_may_call_models_where_its_namespace_is_known(helpers: Any) -> None:
    assert "NetworkPolicy" not in made(helpers)
    policy = made(helpers, gateway_namespace="kea")["NetworkPolicy"]["spec"]
    assert policy["podSelector"] == {"matchLabels": labels_of(helpers.NAME)}
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "kea"}}
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"


def test_the_spec_is_the_deployments_own_and_pods_follow_it(helpers: Any) -> None:
    objects = made(helpers)
    spec = json.loads(objects["ConfigMap"]["data"]["spec.json"])
    assert (spec["deployment"], spec["directory"], spec["http"]) == (helpers.NAME, "/kea/model", "0.0.0.0:8080")
    deployment = helpers.make_deployment(image=IMAGE)
    other = objects_of(deployment, 1, replace(settings(), drain_seconds=20.0), TARGET)[-1]
    annotations = [item["spec"]["template"]["metadata"]["annotations"] for item in (objects["Deployment"], other)]
    assert annotations[0] != annotations[1]


def test_what_is_asked_for_replicas_is_in_their_pods(helpers: Any) -> None:
    template = PodTemplate(
        resource_requests={"cpu": "2"},
        resource_limits={"memory": "4Gi", "nvidia.com/gpu": "1"},
        node_selector={"pool": "gpu"},
        tolerations=(Toleration("gpu", "yes", "NoSchedule"), Toleration("spot"), Toleration()),
        environment=(Variable("LEVEL", "3"), Variable("TOKEN", secret=SecretKey("model-hub", "token"))),
        labels={"team": "a", "app.example/x": "y"},
        annotations={"note": "n"},
    )
    objects = made(helpers, {"pod_template": template})
    pod, container = objects["Deployment"]["spec"]["template"], container_of(objects)
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "256Mi"},
        "limits": {"memory": "4Gi", "nvidia.com/gpu": "1"},
    }
    assert pod["spec"]["nodeSelector"] == {"pool": "gpu"}
    assert pod["spec"]["tolerations"] == [
        {"operator": "Equal", "key": "gpu", "value": "yes", "effect": "NoSchedule"},
        {"operator": "Exists", "key": "spot"},
        {"operator": "Exists"},
    ]
    assert {"name": "LEVEL", "value": "3"} in container["env"]
    reference = {"secretKeyRef": {"name": "model-hub", "key": "token"}}
    assert {"name": "TOKEN", "valueFrom": reference} in container["env"]
    assert pod["metadata"]["labels"].items() >= {"team": "a", "app.example/x": "y", **labels_of(helpers.NAME)}.items()
    assert pod["metadata"]["annotations"]["note"] == "n"
    assert objects["Deployment"]["spec"]["selector"] == {"matchLabels": labels_of(helpers.NAME)}


@pytest.mark.parametrize(
    ("template", "requests", "limits"),
    [
        (PodTemplate(resource_limits={"memory": "128Mi"}), {"cpu": "100m", "memory": "128Mi"}, {"memory": "128Mi"}),
        (PodTemplate(resource_requests={"memory": "2Gi"}), {"cpu": "100m", "memory": "2Gi"}, {"memory": "2Gi"}),
    ],
)
def test_the_platforms_figures_give_way_to_the_deployments(
    helpers: Any, template: PodTemplate, requests: dict[str, str], limits: dict[str, str]
) -> None:
    objects = made(helpers, {"pod_template": template}, memory_limit="1Gi")
    assert container_of(objects)["resources"] == {"requests": requests, "limits": limits}


def test_autoscaling_is_an_autoscaler_while_anything_shall_serve(helpers: Any) -> None:
    scaling = Autoscaling(1, 5, target_cpu_percent=70, target_requests_per_second=20)
    assert "HorizontalPodAutoscaler" not in made(helpers)
    assert "HorizontalPodAutoscaler" not in made(helpers, {"autoscaling": scaling, "replica_count": 0})
    spec = made(helpers, {"autoscaling": scaling})["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 5)
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": object_name(helpers.NAME),
    }
    cpu, requests = spec["metrics"]
    assert cpu["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    labels = {"kea_project": "default", "kea_deployment": "echo"}
    assert requests == {
        "type": "External",
        "external": {
            "metric": {"name": "kea_requests_per_second", "selector": {"matchLabels": labels}},
            "target": {"type": "AverageValue", "averageValue": "20"},
        },
    }


@pytest.mark.parametrize(("count", "there", "expected"), [(1, None, 2), (1, 1, 2), (1, 3, 3), (1, 9, 5), (0, 3, 0)])
def test_the_autoscalers_number_is_kept_within_its_bounds(
    helpers: Any, count: int, there: int | None, expected: int
) -> None:
    deployment = replace(helpers.make_deployment(), replica_count=count, autoscaling=Autoscaling(2, 5, 70))
    objects = {} if there is None else {"Deployment": {"metadata": {}, "spec": {"replicas": there}}}
    assert wanted_replicas(deployment, observe(objects, [], [])) == expected


def test_settings_say_what_is_missing() -> None:
    with pytest.raises(SettingsError, match="namespace must be set"):
        settings(namespace="")
    with pytest.raises(SettingsError, match="secret_prefix is empty"):
        settings(secret_prefix="")
    with pytest.raises(SettingsError, match="base must be set"):
        replace(settings(), images=ImageSettings(repository="r/x"))
    with pytest.raises(SettingsError, match="images are made for linux/amd64, linux/arm64"):
        replace(settings(), images=ImageSettings(repository="r/x", base="b", platforms=("linux/s390x",)))
    with pytest.raises(SettingsError, match="expected one of local, kubernetes"):
        replace(settings(), platform="docker")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_what_is_there_covers_itself(value: Any) -> None:
    assert covers(value, copy.deepcopy(value))


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=3), st.dictionaries(st.text(max_size=3), JSON, max_size=3))
def test_what_others_add_is_no_drift(wanted: dict[str, Any], more: dict[str, Any]) -> None:
    assert covers({**more, **wanted}, wanted)


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ({"a": 1}, {"a": 2}),
        ({}, {"a": 1}),
        ({"a": [1, 2]}, {"a": [1]}),
        ({"a": [{"n": 1}]}, {"a": [{"n": 1, "v": 2}]}),
        ({"a": None}, {"a": {"b": 1}}),
        ({"a": "x"}, {"a": {"b": 1}}),
        ({"a": 1}, {"a": [1]}),
    ],
)
def test_what_differs_is_drift(there: Any, wanted: Any) -> None:
    assert not covers(there, wanted)


def test_what_is_left_out_where_it_is_empty_is_no_drift() -> None:
    assert covers({}, {"a": {}, "b": []})


def test_endpoints_count_only_while_they_are_ready_and_stay() -> None:
    def endpoint(name: str, **conditions: bool) -> dict[str, Any]:
        target = {"kind": "Pod", "name": name}
        return {"addresses": [f"10.0.0.{name}"], "conditions": conditions, "targetRef": target}

    slices = [
        {"endpoints": [endpoint("1", ready=True), endpoint("2", ready=False)]},
        {"endpoints": [endpoint("3", ready=True, terminating=True), endpoint("4", ready=True)]},
        {"endpoints": None},
    ]
    assert observe({}, [], slices).ready == {"1": "10.0.0.1", "4": "10.0.0.4"}


def test_a_pods_story_is_read() -> None:
    pod = {
        "metadata": {"name": "a", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "containerStatuses": [
                {
                    "restartCount": 2,
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    "lastState": {"terminated": {"exitCode": 78, "reason": "Error", "message": "no"}},
                }
            ],
        },
    }
    waiting = {
        "metadata": {"name": "b", "uid": "v", "creationTimestamp": "2026-01-01T00:00:01Z", "deletionTimestamp": "x"},
        "status": {
            "phase": "Pending",
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "message": "no",
                    "lastTransitionTime": "2026-01-01T00:00:02Z",
                }
            ],
        },
    }
    first, second = observe({}, [waiting, pod], []).pods
    assert (first.name, first.address, first.restart_count, first.waiting_reason) == (
        "a",
        "10.0.0.1",
        2,
        "CrashLoopBackOff",
    )
    assert (first.exit_code, first.exit_message) == (78, "no")
    assert (second.name, second.terminating, second.unscheduled_message) == ("b", True, "no")
    assert second.unscheduled_since is not None


def test_why_no_pod_is_made_is_read() -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    workload = {"metadata": {"name": "a"}, "status": {"conditions": [condition]}}
    assert observe({"Deployment": workload}, [], []).refusal == "exceeded quota"
    assert observe({"Deployment": {"metadata": {"name": "a"}}}, [], []).refusal == ""


def test_the_selector_selects_what_is_labelled() -> None:
    key, _, value = SELECTOR.partition("=")
    assert labels_of("projects/p/deployments/d")[key] == value


@pytest.mark.parametrize(
    ("generation", "seen", "replicas", "updated", "expected"),
    [(2, 2, 2, 2, True), (2, 1, 2, 2, False), (2, 2, 3, 2, False), (2, 2, 2, 1, False), (1, 1, 0, 0, False)],
)
def test_a_workload_is_rolled_out_when_all_its_pods_are_of_its_newest_template(
    generation: int,
    seen: int,
    replicas: int,
    updated: int,
    expected: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    status = {"observedGeneration": seen, "replicas": replicas, "updatedReplicas": updated}
    workload = {"metadata": {"generation": generation}, "spec": {"replicas": 2}, "status": status}
    assert observe({"Deployment": workload}, [], []).rolled_out is expected
    idle = {"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}}
    assert observe({"Deployment": idle}, [], []).rolled_out


@pytest.mark.parametrize(
    ("path", "plural"),
    [
        ("/api/v1/namespaces/models/pods/echo-1/log", "pods"),
        ("/apis/coordination.k8s.io/v1/namespaces/services/leases/kea", "leases"),
        ("/apis/ml.kea-project.io/v1alpha1/mlmodels", "mlmodels"),
        ("/api/v1/namespaces/models", "namespaces"),
        ("/healthz", ""),
    ],
)
def test_calls_are_counted_by_what_they_are_of(path: str, plural: str) -> None:
    assert resource_of(path) == plural
