"""KEA on a real cluster, from its images to its end, as its users meet it.

The tests share one installation and come in any order; when they are done it is taken away, and nothing may be left.
"""

from __future__ import annotations

import json
import re
import runpy
import secrets
import shutil
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from installation import (
    CHART,
    ROOT,
    Installation,
    helm,
    install,
    lasting_storage,
    objects_in,
    objects_of_release,
    pods_of,
    temporary,
)
from kea.sdk import Client, KeaClientError
from kea_core.testing.certificates import Authority
from kea_core.testing.object_store import ObjectStore, object_store
from kit.commands import wait_until
from kit.kubectl import Kubectl
from load import FLOWER, Load, open_inference, rest
from mutual_tls import (
    give_certificates,
    health_of,
    serial_of,
    shown_by_envoy,
    shown_by_service,
    turn_off,
    turn_on,
)
from namespaces import Namespace
from package_index import serve_packages
from request_metrics import request_metrics
from tritonclient.grpc import InferenceServerClient, InferInput

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SETOSA, SETOSA_BY_SECOND = "[0]", "[10]"
"""What the two versions say of the flower."""
PACES = {rest: 30.0, open_inference: 10.0}
"""Calls per second."""
GROUP = "ml.kea-project.io"
DEFINITIONS = f"mldeployments.{GROUP}"
PATIENCE_SECONDS = 150.0
"""For a deployment that must come up; the first builds images on a machine that does more than that."""
SHORT_SECONDS = 30.0
"""In which a person must have been told why a deployment fails."""

StartLoad = Callable[..., Load]


@pytest.fixture(scope="module")
def store(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[ObjectStore, None, None]:
    """An S3 API on this machine, where pods reach it as they reach the registry."""
    with object_store(tmp_path_factory.mktemp("objects"), registry.partition(":")[0]) as made:
        yield made


@pytest.fixture(scope="module")
def kea(
    kubectl: Kubectl, registry: str, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Installation, None, None]:
    """KEA, as `make images` and `make cluster-install` bring it, but for storage that lasts."""
    directory = tmp_path_factory.mktemp("kea")
    name = f"kea-test-{secrets.token_hex(4)}"
    environment = [{"name": name, "value": value} for name, value in store.environment.items()]
    namespace = Namespace(name, kubectl, registry)
    with temporary(Namespace(f"{name}-packages", kubectl, registry)) as packages, temporary(namespace):
        storage = lasting_storage(namespace, directory, "postgres", "artifacts")
        # Others' definitions are not ours to change, nor to delete.
        shared = bool(kubectl("get", "crd", DEFINITIONS, "--ignore-not-found", "-o", "name"))
        values: dict[str, Any] = {
            "database": {"trial": {"storage": storage["postgres"]}},
            "artifacts": {"storage": storage["artifacts"]},
            "deployer": {"extraEnv": [{"name": "UV_DEFAULT_INDEX", "value": serve_packages(packages)}]},
            "customResources": {"install": not shared, "keep": False, "namespaces": [name]},
            "operator": {"extraEnv": environment},
        }
        try:
            made = install(namespace, directory, values)
            yield made
            uninstall(made)
        finally:
            helm("--namespace", name, "uninstall", name, "--ignore-not-found", "--wait")
            kubectl("delete", "persistentvolume", "-l", f"kea.dev/test={name}", "--wait=false")


def uninstall(kea: Installation) -> None:
    """Uninstalls KEA while models run; checks that nothing is left but the claims, which are not the chart's."""
    assert len(objects_in(kea.namespace)) > 20
    assert objects_in(kea.models)
    assert objects_of_release(kea.namespace)
    kea.helm("uninstall", kea.namespace.name, "--wait", "--timeout", "3m")
    claims = {"persistentvolumeclaim/artifacts", "persistentvolumeclaim/postgres"}
    left = objects_in(kea.namespace) - claims
    assert wait_until(lambda: objects_in(kea.namespace) <= claims, 60), left
    assert objects_of_release(kea.namespace) == set()
    assert kea.namespace.kubectl("get", "namespace", kea.models.name, "--ignore-not-found") == ""


@pytest.fixture(scope="module")
def client(kea: Installation) -> Generator[Client, None, None]:
    with kea.client() as made:
        yield made


@pytest.fixture(scope="module")
def models(client: Client) -> None:
    """The examples, deployed: iris in two versions, of which the first serves, and a Python class."""
    model, example = runpy.run_path(str(ROOT / "examples" / "iris" / "train.py"))["train"]()
    client.push("iris", model, example=example)
    client.push("grades", ROOT / "examples" / "grades" / "grades.py")
    client.deploy("iris", timeout=PATIENCE_SECONDS)
    client.deploy("grades", timeout=PATIENCE_SECONDS)
    features = np.array(example)
    client.push("iris", model.fit(np.repeat(features, 2, axis=0), [10, 10, 11, 11]), example=example)


@pytest.fixture
def load(kea: Installation, client: Client, models: None) -> StartLoad:
    """Starts the load on an endpoint: iris, of which one replica of version 1 serves, unless told otherwise."""
    client.deploy("iris:1", replicas=1, timeout=PATIENCE_SECONDS)
    assert wait_until(lambda: len([pod for pod in pods_of(kea.models) if pod.deployment.startswith("iris-")]) == 1, 60)
    return lambda endpoint="iris", paces=PACES: Load(kea.url, kea.token, endpoint, paces)


def replicas(kea: Installation, deployment: str) -> list[str]:
    """Returns the names of a deployment's pods that are ready and not on their way out."""
    return [pod.name for pod in pods_of(kea.models) if pod.deployment == deployment and pod.ready and not pod.ending]


def test_pushed_models_answer_through_the_gateway_in_all_protocols(
    kea: Installation, client: Client, models: None
) -> None:
    assert client.predict("iris", [FLOWER]) == {"output": [0]}
    assert client.predict("grades", {"student": "anton"}, "get_grades") == {"result": [1.0, 2.3]}
    headers = {"authorization": f"Bearer {kea.token}"}
    with httpx.Client(base_url=kea.url, headers=headers, timeout=30, trust_env=False) as http:
        tensor = {"name": "input", "shape": [1, 4], "datatype": "FP64", "data": FLOWER}
        answered = http.post("/v2/models/iris/infer", json={"inputs": [tensor]}).raise_for_status().json()
        assert answered["outputs"][0]["data"] == [0]
        assert http.post("/models/iris/predict", json={"input": [["high"]]}).status_code == 400
        assert "text/html" in http.get("/models/iris/docs").raise_for_status().headers["content-type"]
        assert "/models/grades/get_grades" in http.get("/models/grades/openapi.json").raise_for_status().json()["paths"]
        assert http.post("/models/iris/predict", json={}, headers={"authorization": ""}).status_code == 401
    with InferenceServerClient(kea.url.removeprefix("http://")) as triton:
        given = InferInput("input", [1, 4], "FP64")
        given.set_data_from_numpy(np.array([FLOWER]))
        result = triton.infer("iris", [given], headers=headers)
        assert result is not None
        assert json.dumps(np.asarray(result.as_numpy("output")).tolist()) == SETOSA


def test_scaling_up_and_down_loses_no_request(kea: Installation, client: Client, load: StartLoad) -> None:
    with load() as running:
        for wanted in (3, 1):
            client.deploy("iris:1", replicas=wanted, timeout=PATIENCE_SECONDS)
            assert len(replicas(kea, "iris-v1")) == wanted
            running.await_more(60)
        assert len([pod for pod in pods_of(kea.models) if pod.deployment == "iris-v1"]) == 1  # the others have drained
    running.check(SETOSA, least=120)


def test_switching_versions_loses_no_request(kea: Installation, client: Client, load: StartLoad) -> None:
    with load() as running:
        done = client.deploy("iris:2", timeout=PATIENCE_SECONDS)
        assert done.replaced == ("iris-v1",)
        running.await_answer(SETOSA_BY_SECOND)
        client.deploy("iris:1", timeout=PATIENCE_SECONDS)
        running.await_answer(SETOSA)
        assert wait_until(lambda: not [pod for pod in pods_of(kea.models) if pod.deployment == "iris-v2"], 60)
        running.await_more(20)
    running.check(SETOSA, SETOSA_BY_SECOND, least=150)


@pytest.mark.parametrize("options", [(), ("--force", "--grace-period=0")], ids=["gracefully", "by force"])
def test_a_models_pod_that_is_deleted_loses_no_request(
    kea: Installation, client: Client, load: StartLoad, options: tuple[str, ...]
) -> None:
    client.deploy("iris:1", replicas=2, timeout=PATIENCE_SECONDS)
    with load() as running:
        victim, _ = replicas(kea, "iris-v1")
        kea.models("delete", "pod", victim, "--wait=false", *options)
        assert wait_until(lambda: len({*replicas(kea, "iris-v1")} - {victim}) == 2, 60)
        kea.models.wait("delete", f"pod/{victim}")
        running.await_more(50)
    running.check(SETOSA, least=100)


def test_restarting_every_pod_of_kea_loses_no_prediction(kea: Installation, client: Client, load: StartLoad) -> None:
    before = kea.pods()
    assert {pod.component for pod in before} >= {"auth", "registry", "deployer", "router", "gateway", "postgres"}
    with load() as running:
        for pod in before:
            kea.restart(pod)
            running.await_more(40)
        kea.namespace.wait("delete", *(f"pod/{pod.name}" for pod in before if pod.component != "postgres"))
        assert not {pod.uid for pod in before} & {pod.uid for pod in kea.pods()}
        client.deploy(
            "iris:1", replicas=1, timeout=PATIENCE_SECONDS
        )  # what was kept is there, and everybody speaks with everybody again
        running.await_more(40)
    assert [version.number for version in client.versions("iris")] == [2, 1]
    running.check(SETOSA, least=500)


def test_the_number_of_replicas_follows_the_load(kea: Installation, client: Client, load: StartLoad) -> None:
    scaling = {"min_replica_count": 1, "max_replica_count": 3, "target_cpu_percent": 50}
    pod = {"resource_requests": {"cpu": "50m"}}
    client.deploy("iris:1", endpoint="busy", pod_template=pod, autoscaling=scaling, timeout=PATIENCE_SECONDS)
    with load("busy", {rest: 60.0}) as running:
        assert wait_until(lambda: len(replicas(kea, "busy-v1")) > 1, 300, every=1), kea.models("describe", "hpa")
        running.await_more(200)
        (found,) = [one for one in client.deployments() if one.name == "busy-v1"]
        assert found.ready_replicas > 1
    running.check(SETOSA, least=500)
    client.undeploy("busy")


@pytest.mark.own_node
def test_the_number_of_replicas_follows_the_requests_that_gateways_count(
    kea: Installation, client: Client, load: StartLoad, tmp_path: Path
) -> None:
    paces = {rest: 20.0, open_inference: 20.0}  # only both protocols together are more than one replica shall answer
    scaling = {"min_replica_count": 1, "max_replica_count": 3, "target_requests_per_second": 22}
    client.deploy("iris:1", endpoint="asked", autoscaling=scaling, timeout=PATIENCE_SECONDS)
    (scaler,) = kea.models("get", "hpa", "-l", "kea.dev/deployment=asked-v1", "-o", "name").split()
    soon = {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}
    kea.models("patch", scaler, "--patch", json.dumps(soon))
    with request_metrics(kea, tmp_path, "asked-v1"):
        with load("asked", paces) as running:
            assert wait_until(lambda: len(replicas(kea, "asked-v1")) == 2, 240, every=1), kea.models("describe", scaler)
            running.await_more(200)
        running.check(SETOSA, least=500)
        assert wait_until(lambda: len(replicas(kea, "asked-v1")) == 1, 240, every=1), kea.models("describe", scaler)
    client.undeploy("asked")


def told_failure(kea: Installation, *arguments: str) -> str:
    """Deploys what cannot be; returns what a person is told, which must not take long."""
    begun = time.monotonic()
    done = kea.kea("deploy", *arguments)
    assert time.monotonic() - begun < SHORT_SECONDS
    assert done.returncode != 0, done.stdout
    assert "Traceback (most recent call last)" not in done.stderr.splitlines()[-1]
    return done.stderr


def test_a_model_that_cannot_be_loaded_tells_why(
    kea: Installation, client: Client, models: None, tmp_path: Path
) -> None:
    source = tmp_path / "broken.py"
    source.write_text(
        "class Broken:\n"
        '    """Does not start."""\n'
        "    def __init__(self) -> None:\n"
        '        raise RuntimeError("the weights are not there")\n'
        "    def predict(self, x: int) -> int:\n"
        '        """Never called."""\n'
        "        return x\n"
    )
    client.push("broken", source)
    built = kea.kea("build", "broken")  # its image has nothing to do with how long one waits for the reason
    assert built.returncode == 0, built.stderr
    told = told_failure(kea, "broken")
    assert "RuntimeError: the weights are not there" in told
    assert "[MODEL_LOAD_FAILED]" in told


def test_packages_that_are_not_there_are_named(kea: Installation, client: Client, models: None) -> None:
    client.push("lost", ROOT / "examples" / "grades" / "grades.py", requirements=["kea-no-such-package==1.0"])
    told = told_failure(kea, "lost")
    assert "kea-no-such-package was not found in the package registry" in told
    assert "[ENVIRONMENT_FAILED]" in told


def test_an_image_that_is_not_there_is_named(kea: Installation, models: None) -> None:
    image = f"{kea.namespace.registry}/nobody/has:this"
    told = told_failure(kea, "grades", "--endpoint", "ghost", "--image", image)
    assert image in told
    assert "[IMAGE_NOT_FOUND]" in told


def test_a_quota_that_is_too_small_is_told(kea: Installation, client: Client, models: None) -> None:
    metadata, limits = {"name": "small"}, {"hard": {"pods": "0"}}  # any more, and a pod that just ends makes room
    kea.models.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": limits})
    kea.models.wait("jsonpath={.status.hard.pods}", "resourcequota/small")
    try:
        told = told_failure(kea, "grades", "--endpoint", "crowded")
    finally:
        kea.models("delete", "resourcequota", "small")
    assert "exceeded quota: small" in told
    assert "[QUOTA_EXCEEDED]" in told


def migrations(kea: Installation) -> int:
    """Returns how many upgrades have migrated the tables."""
    jobs = kea.namespace.get(
        ".items[*].involvedObject.name", "events", "--field-selector=reason=Completed,involvedObject.kind=Job"
    ).split()
    assert set(jobs) <= {f"{kea.namespace.name}-migrations"}
    return len(jobs)


def test_upgrades_of_the_chart_lose_no_request(
    kea: Installation, client: Client, load: StartLoad, tmp_path: Path
) -> None:
    before, migrated = {pod.uid for pod in kea.pods()}, migrations(kea)
    chart = shutil.copytree(CHART, tmp_path / "chart")
    description = chart / "Chart.yaml"
    description.write_text(re.sub(r"(?m)^version: .*$", "version: 99.0.0", description.read_text()))
    more = ("--reuse-values", "--wait", "--timeout", "5m")
    with load() as running:
        # Two auths cannot keep the audit log on the trial's volume, which is a pod's own.
        changes = "gateway.workers=2,auth.replicas=2,audit.enabled=false"
        kea.helm("upgrade", kea.namespace.name, CHART, *more, "--set", changes)
        running.await_more(20)
        kea.helm("upgrade", kea.namespace.name, chart, *more)
        running.await_more(20)
        assert wait_until(lambda: before.isdisjoint(pod.uid for pod in pods_of(kea.namespace)), 120)
        client.deploy("iris:1", replicas=2, timeout=PATIENCE_SECONDS)
        client.deploy("iris:1", replicas=1, timeout=PATIENCE_SECONDS)
        running.await_more(20)
    running.check(SETOSA, least=300)
    assert migrations(kea) == migrated + 2
    assert len([pod for pod in kea.pods() if pod.component == "auth"]) == 2


def test_mutual_tls_is_turned_on_renewed_and_turned_off_and_no_request_is_lost(
    kea: Installation, client: Client, load: StartLoad
) -> None:
    def works() -> None:
        """Everybody speaks with everybody, which a deployment needs."""
        for count in (2, 1):
            client.deploy("iris:1", replicas=count, timeout=PATIENCE_SECONDS)
        running.await_more(20)

    authority = Authority()
    with load() as running:
        first = give_certificates(kea, authority)
        try:
            turn_on(kea)
            works()
            assert health_of(kea, "registry", first["operator"]) == "SERVING"
            assert health_of(kea, "registry", None) == "UNAVAILABLE"
            assert health_of(kea, "registry", Authority().issue("stranger")) == "UNAVAILABLE"
            renewed = give_certificates(kea, authority)
            for component in ("auth", "registry", "deployer", "router"):
                shown = serial_of(renewed[component])
                assert wait_until(lambda: shown_by_service(kea, component) == shown, 150)  # noqa: B023 - called at once
            assert wait_until(lambda: shown_by_envoy(kea) == {serial_of(renewed["gateway"])}, 150)
            works()
            for pod in kea.pods():
                if pod.component in {"registry", "router"}:
                    kea.restart(pod)  # who connects anew does so with what was renewed
            works()
        finally:
            turn_off(kea)
        works()
    assert health_of(kea, "registry", None) == "SERVING"
    running.check(SETOSA, least=500)


@pytest.mark.own_node
def test_custom_resources_become_an_endpoint_and_go_with_it(
    kea: Installation, client: Client, store: ObjectStore
) -> None:
    bucket = store.make_bucket("team-a")
    shutil.copy(ROOT / "examples" / "grades" / "grades.py", bucket / "grades.py")
    model = {"modelName": "school", "modelFramework": "python", "s3Path": "s3://team-a/grades.py"}
    deployment = {"modelName": "school", "replicas": 1, "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}}
    for kind, spec in (("MLModel", model), ("MLDeployment", deployment)):
        whole = {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": {"name": "school"}, "spec": spec}
        kea.namespace.apply(whole)
    kea.namespace.wait("condition=Ready", "mldeployment/school", seconds=int(PATIENCE_SECONDS))
    assert kea.namespace.get(".status.url", "mldeployment/school") == "/models/school"
    assert client.predict("school", {"student": "anton"}, "get_grades") == {"result": [1.0, 2.3]}
    with pytest.raises(KeaClientError, match=f"managed by the custom resource {kea.namespace.name}/school"):
        client.undeploy("school")
    kea.namespace("scale", "mldeployment/school", "--replicas=2")
    kea.namespace.wait("jsonpath={.status.readyReplicas}=2", "mldeployment/school", seconds=60)
    kea.namespace("delete", "mldeployment,mlmodel", "school", "--timeout=60s", timeout=90)
    assert "school" not in {endpoint.name for endpoint in client.endpoints()}
    assert not [pod for pod in pods_of(kea.models) if pod.deployment.startswith("school") and not pod.ending]
