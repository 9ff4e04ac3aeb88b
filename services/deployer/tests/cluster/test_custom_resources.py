"""MLModels and MLDeployments on a real API server; KEA's services run here, and their model servers too."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import joblib
import pytest
from kea_core.settings import to_environment
from kea_core.testing.object_store import object_store
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.cluster.settings import ClusterSettings
from kea_deployer.operator.settings import OperatorSettings, SourceSettings
from operator_platform import QUICK, Platform, open_platform
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

DEFINITIONS = Path(__file__).parents[4] / "deploy" / "chart" / "crds-generated"
KINDS = ("mlmodels.ml.kea-project.io", "mldeployments.ml.kea-project.io")
SOURCE = '''
class Model:
    def predict(self, text: str) -> str:
        """Says it again, {how}."""
        return text
'''


def kubectl(*arguments: str) -> str:
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603, S607
    return done.stdout


@pytest.fixture(scope="module")
def definitions() -> Generator[None, None, None]:
    """The definitions of the kinds; gone afterwards, unless they were there before: a release's are its own."""
    there = kubectl("get", "crd", "--output", "name")
    ours = not all(f"/{kind}\n" in there for kind in KINDS)
    if ours:
        kubectl("apply", "--server-side", "--filename", str(DEFINITIONS))
        for kind in KINDS:
            kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{kind}")
    yield
    if ours:
        kubectl("delete", "crd", *KINDS)


@pytest.fixture
async def platform(tmp_path: Path, socket_directory: Path, shared_directory: Path) -> AsyncGenerator[Platform, None]:
    async with open_platform(tmp_path, socket_directory, shared_directory) as made:
        yield made


class Manifests:
    """What somebody applies to a namespace, and what they see of it."""

    def __init__(self, namespace: Any, directory: Path) -> None:
        self.namespace = namespace
        self.directory = directory / "models"
        self.directory.mkdir()

    def artifact(self, how: str = "plainly") -> str:
        path = self.directory / "model.py"
        path.write_text(SOURCE.format(how=how))
        return f"file://{path}"

    async def apply(self, kind: str, name: str, **spec: Any) -> None:
        whole = {"apiVersion": "ml.kea-project.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        await self.namespace("apply", "--filename", "-", stdin=json.dumps(whole))

    async def both(self) -> None:
        await self.apply("MLModel", "iris", modelName="iris", modelFramework="python", s3Path=self.artifact())
        await self.apply("MLDeployment", "iris", modelName="iris", replicas=1)

    async def ready(self, kind: str, name: str = "iris", seconds: int = 120) -> dict[str, Any]:
        """Returns a status once it is ready."""
        try:
            await self.namespace("wait", f"{kind}/{name}", "--for=condition=Ready", f"--timeout={seconds}s")
        except AssertionError as error:
            pytest.fail(f"{error}\n{await self.status(kind, name)}")
        return await self.status(kind, name)

    async def status(self, kind: str, name: str = "iris") -> dict[str, Any]:
        return json.loads(await self.namespace("get", kind, name, "--output", "json")).get("status") or {}

    async def until(self, kind: str, condition: Callable[[dict[str, Any]], Any], name: str = "iris") -> dict[str, Any]:
        """Returns a status once a condition holds."""
        told: dict[str, Any] = {}
        try:
            async with asyncio.timeout(120):
                while not condition(told := await self.status(kind, name)):  # noqa: ASYNC110 - kubectl tells no events
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pytest.fail(f"{kind}/{name}: {told}")
        return told

    async def refused(self, kind: str, **spec: Any) -> str:
        """Returns why the API server refuses a manifest."""
        with pytest.raises(AssertionError) as caught:
            await self.apply(kind, "iris", **spec)
        return str(caught.value)


@pytest.fixture
def manifests(namespace: Any, definitions: None, tmp_path: Path) -> Manifests:
    return Manifests(namespace, tmp_path)


@asynccontextmanager
async def operating(
    platform: Platform, manifests: Manifests, number: int = 1
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Runs an operator as a process of its own until the end of the block."""
    settings = OperatorSettings(
        address=f"unix:{platform.sockets['auth'].removeprefix('unix:')}-operator{number}",
        auth_address=platform.sockets["auth"],
        registry_address=platform.sockets["registry"],
        deployer_address=platform.sockets["deployer"],
        router_address=platform.sockets["router"],
        credential_file=platform.directory / "credentials" / "operator",
        data_directory=platform.directory / f"operator{number}",
        kubeconfig=os.environ["KUBECONFIG"],
        namespaces=(manifests.namespace.name,),
        lease_namespace=manifests.namespace.name,
        sources=SourceSettings(schemes=("file", "s3"), file_roots=(str(manifests.directory),), check_seconds=0.5),
        drain=QUICK,
    )
    environ = os.environ | to_environment(settings, "KEA_OPERATOR")
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "kea_deployer.operator", env=environ)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)


async def test_manifests_become_a_model_that_serves_and_go_with_all_they_made(
    platform: Platform, manifests: Manifests
) -> None:
    async with operating(platform, manifests) as process:
        await manifests.both()
        await manifests.ready("mlmodel")
        told = await manifests.ready("mldeployment")
        assert (told["state"], told["version"], told["url"]) == ("Serving", 1, "/models/iris")
        shown = (await manifests.namespace("get", "mldeployments")).splitlines()
        assert shown[0].split() == ["NAME", "MODEL", "VERSION", "STATE", "REPLICAS", "READY", "URL", "AGE"]
        assert shown[1].split()[:-1] == ["iris", "iris", "1", "Serving", "1", "1", "/models/iris"]
        shown = (await manifests.namespace("get", "mlm")).splitlines()
        assert shown[0].split() == ["NAME", "MODEL", "FRAMEWORK", "VERSION", "STATE", "AGE"]
        assert shown[1].split()[:-1] == ["iris", "iris", "python", "1", "Ready"]

        await manifests.namespace("scale", "mldeployment/iris", "--replicas=2")
        await manifests.until("mldeployment", lambda told: told.get("readyReplicas") == 2)

        manifests.artifact("loudly")
        told = await manifests.until(
            "mldeployment", lambda told: (told.get("version"), told.get("state")) == (2, "Serving")
        )
        assert told["deployment"].endswith("iris-v2")

        await manifests.namespace("delete", "mlmodel", "iris", "--wait=false")
        await manifests.until("mlmodel", lambda told: "MODEL_IN_USE" in json.dumps(told))
        await manifests.namespace("delete", "mldeployment", "iris", "--timeout=60s")
        await manifests.namespace("wait", "mlmodel/iris", "--for=delete", "--timeout=60s")
        assert not await platform.deployments()
        events = await manifests.namespace("get", "events", "--output", "json")
        assert {"SERVING", "MODEL_IN_USE"} <= {event["reason"] for event in json.loads(events)["items"]}
        assert process.returncode is None


async def test_an_operator_that_is_killed_is_followed_by_another_that_goes_on(
    platform: Platform, manifests: Manifests
) -> None:
    async with operating(platform, manifests, 1) as first:
        await manifests.both()
        await manifests.until("mldeployment", lambda told: told.get("deployment"))
        first.kill()
        await first.wait()
    async with operating(platform, manifests, 2):
        told = await manifests.ready("mldeployment")
        assert told["version"] == 1
        assert [entry.name for entry in await platform.deployments()] == [told["deployment"]]
        await manifests.namespace("delete", "mldeployment,mlmodel", "iris", "--timeout=60s")


async def test_a_resource_that_is_deleted_while_nobody_operates_waits(platform: Platform, manifests: Manifests) -> None:
    async with operating(platform, manifests, 1):
        await manifests.both()
        await manifests.ready("mldeployment")
    await manifests.namespace("delete", "mldeployment,mlmodel", "iris", "--wait=false")
    assert await manifests.status("mldeployment")
    assert await platform.deployments()
    async with operating(platform, manifests, 2):
        for kind in ("mldeployment", "mlmodel"):
            await manifests.namespace("wait", f"{kind}/iris", "--for=delete", "--timeout=60s")
        assert not await platform.deployments()


async def test_an_old_manifest_becomes_pods_that_have_what_it_asks_for(
    namespace: Any, manifests: Manifests, tmp_path: Path, socket_directory: Path, shared_directory: Path
) -> None:
    registry = os.environ["KEA_TEST_REGISTRY"]
    images = ImageSettings(repository=f"{registry}/models", base=f"{registry}/debian:12", plain_http=(registry,))
    cluster = ClusterSettings(
        kubeconfig=os.environ["KUBECONFIG"], namespace=namespace.name, drain_delay_seconds=1, cpu_request="20m"
    )
    resources = {"requests": {"cpu": "30m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    changes: dict[str, Any] = {"platform": "kubernetes", "images": images, "cluster": cluster}
    async with (
        open_platform(tmp_path, socket_directory, shared_directory, **changes) as platform,
        operating(platform, manifests),
    ):
        await manifests.apply("MLModel", "iris", modelName="iris", modelFramework="python", s3Path=manifests.artifact())
        await manifests.apply("MLDeployment", "iris", modelName="iris", replicas=1, resources=resources)
        told = await manifests.ready("mldeployment", seconds=300)
        assert (told["replicas"], told["readyReplicas"]) == (1, 1)
        (pod,) = await namespace.get("pods", "--selector", "kea.dev/deployment=iris-v1")
        (container,) = pod["spec"]["containers"]
        assert container["resources"]["requests"] == {"cpu": "30m", "memory": "64Mi"}
        assert container["resources"]["limits"] == {"memory": "512Mi"}

        template = {"labels": {"team": "flowers"}, "environment": [{"name": "MODE", "value": "quiet"}]}
        bounds = {"minReplicaCount": 1, "maxReplicaCount": 2, "targetCpuPercent": 70}
        patch = {"spec": {"replicas": None, "autoscaling": bounds, "podTemplate": template}}
        await namespace("patch", "mldeployment", "iris", "--type=merge", "--patch", json.dumps(patch))
        async with asyncio.timeout(120):
            while not await namespace.get("pods", "--selector", "team=flowers"):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.5)
        (scaler,) = await namespace.get("hpa")
        assert scaler["spec"]["maxReplicas"] == 2
        await manifests.ready("mldeployment")

        await namespace("delete", "mldeployment,mlmodel", "iris", "--timeout=120s")
        assert not await namespace.of_kea()


@pytest.mark.own_node
async def test_old_manifests_find_their_artifact_on_an_s3_api(
    platform: Platform, manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "objects").mkdir()
    with object_store(tmp_path / "objects") as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        bucket = store.make_bucket("models")
        data, labels = load_iris(return_X_y=True)
        joblib.dump(LogisticRegression(max_iter=500).fit(data, labels), bucket / "iris.joblib")
        old = {"modelName": "iris", "modelFramework": "sklearn", "inputType": "JSON", "outputType": "JSON"}
        async with operating(platform, manifests):
            await manifests.apply("MLModel", "iris", **old, s3Path="s3://models/iris.joblib")
            await manifests.apply("MLDeployment", "iris", modelName="iris", replicas=1)
            assert (await manifests.ready("mldeployment"))["url"] == "/models/iris"
            await manifests.apply("MLModel", "none", **{**old, "modelName": "none"}, s3Path="s3://models/none.joblib")
            told = await manifests.until("mlmodel", lambda told: "none.joblib" in json.dumps(told), "none")
            assert "SOURCE_NOT_FOUND" in json.dumps(told)

            # A user's own endpoint is no way to what only this machine should reach.
            entries = [f"--from-literal={name}={value}" for name, value in store.environment.items()]
            await manifests.namespace("create", "secret", "generic", "mine", *entries)
            theirs = {**old, "modelName": "theirs", "credentialsSecret": "mine", "s3Path": "s3://models/iris.joblib"}
            await manifests.apply("MLModel", "theirs", **theirs)
            told = await manifests.until("mlmodel", lambda told: "SOURCE_REFUSED" in json.dumps(told), "theirs")
            assert "127.0.0.1" in json.dumps(told)
            await manifests.namespace("delete", "mldeployment,mlmodel", "--all", "--timeout=60s")


async def test_what_a_schema_cannot_say_rules_do(manifests: Manifests) -> None:
    model = {"modelName": "iris", "modelFramework": "python", "s3Path": "s3://models/model.py"}
    assert "modelFramework" in await manifests.refused("MLModel", modelName="iris", s3Path="s3://a/b")
    assert "sha256" in await manifests.refused("MLModel", **model, sha256="abc")
    await manifests.apply("MLModel", "iris", **model)
    assert "modelName does not change" in await manifests.refused("MLModel", **{**model, "modelName": "rose"})

    bounds = {"minReplicaCount": 1, "maxReplicaCount": 3, "targetCpuPercent": 70}
    for changes, told in (
        ({"replicas": 65}, "replicas"),
        ({"replicas": 2, "autoscaling": bounds}, "replicas beside autoscaling"),
        ({"autoscaling": bounds | {"minReplicaCount": 4}}, "minReplicaCount is above"),
        ({"autoscaling": {"minReplicaCount": 1, "maxReplicaCount": 2}}, "targetCpuPercent or"),
        ({"timeout": "soon"}, "timeout"),
        ({"endpoint": "Not_An_Id"}, "endpoint"),
        (
            {"podTemplate": {"environment": [{"name": "A", "value": "b", "secret": {"name": "c", "key": "d"}}]}},
            "environment",
        ),
    ):
        assert told in await manifests.refused("MLDeployment", modelName="iris", **changes)
    await manifests.apply("MLDeployment", "iris", modelName="iris", endpoint="iris", autoscaling=bounds, modelVersion=3)
    for changes, told in (
        ({"modelName": "rose", "endpoint": "iris"}, "modelName does not change"),
        ({"modelName": "iris", "endpoint": "rose"}, "endpoint does not change"),
        ({"modelName": "iris"}, "endpoint does not change"),
    ):
        assert told in await manifests.refused("MLDeployment", **changes)


async def test_old_manifests_are_taken_as_they_are(manifests: Manifests) -> None:
    await manifests.apply(
        "MLModel",
        "iris",
        modelName="Iris_Classifier",
        modelFramework="sklearn",
        s3Path="s3://models/iris/model.joblib",
        inputType="JSON",
        outputType="JSON",
    )
    resources = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": 1, "memory": "1Gi"}}
    await manifests.apply("MLDeployment", "iris", modelName="Iris_Classifier", replicas=2, resources=resources)
    found = json.loads(await manifests.namespace("get", "mldeployment", "iris", "--output", "json"))
    assert found["spec"]["resources"] == resources
