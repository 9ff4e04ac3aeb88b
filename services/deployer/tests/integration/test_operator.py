"""The operator beside real services of KEA's, on a Kubernetes API that is kept in memory."""

from __future__ import annotations

import asyncio
import base64
import importlib.metadata
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import joblib
import pytest
from aiohttp import web
from kea.registry.v1 import (
    model_pb2,
    model_service_pb2,
)
from kea_deployer.operator.main import run as run_operator
from kea_deployer.operator.settings import OperatorSettings, SourceSettings
from operator_platform import QUICK, Platform, open_platform, running
from sklearn.linear_model import LogisticRegression

pytestmark = pytest.mark.timeout(240)

PATIENCE = 120.0
"""For a version to serve: the first one lays out an environment."""
NAMESPACE = "team-a"
SOURCE = '''
class Model:
    def predict(self, text: str) -> str:
        """Says it again, {how}."""
        return text
'''


@pytest.fixture
async def platform(tmp_path: Path, socket_directory: Path, shared_directory: Path) -> AsyncGenerator[Platform, None]:
    async with open_platform(tmp_path, socket_directory, shared_directory) as made:
        yield made


StartOperator = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def start_operator(platform: Platform, kubernetes: Any, socket_directory: Path) -> StartOperator:
    """Starts an operator; called again, the next one, or one beside it."""
    count = 0
    kubernetes.put("namespaces", "", NAMESPACE)
    (platform.directory / "models").mkdir()

    def start(environ: dict[str, str] | None = None, **changes: Any) -> AbstractAsyncContextManager[None]:
        nonlocal count
        count += 1
        sources = SourceSettings(
            schemes=("s3", "https", "file"), file_roots=(str(platform.directory / "models"),), check_seconds=0.2
        )
        settings = OperatorSettings(
            address=f"unix:{socket_directory}/operator{count}",
            auth_address=platform.sockets["auth"],
            registry_address=platform.sockets["registry"],
            deployer_address=platform.sockets["deployer"],
            router_address=platform.sockets["router"],
            credential_file=platform.directory / "credentials" / "operator",
            data_directory=platform.directory / f"operator{count}",
            kubeconfig=str(platform.directory / "kubeconfig"),
            lease_namespace="kea",
            gateway_url="https://kea.example",
            sources=sources,
            drain=QUICK,
        )
        return running(run_operator, replace(settings, **changes), environ=environ or {})

    return start


@dataclass
class Manifests:
    """What somebody applies, and what they see of it."""

    kubernetes: Any
    directory: Path

    def artifact(self, how: str = "plainly", name: str = "model.py") -> str:
        path = self.directory / "models" / name
        path.write_text(SOURCE.format(how=how))
        return f"file://{path}"

    def model(self, name: str = "iris", **spec: Any) -> None:
        whole = {"modelName": name, "modelFramework": "python", **spec}
        self.kubernetes.put("mlmodels", NAMESPACE, name, spec=whole)

    def deployment(self, name: str = "iris", **spec: Any) -> None:
        self.kubernetes.put("mldeployments", NAMESPACE, name, spec={"modelName": "iris", "replicas": 1, **spec})

    def status(self, plural: str, name: str = "iris") -> dict[str, Any]:
        found = self.kubernetes.get(plural, NAMESPACE, name)
        return {} if found is None else found.get("status") or {}

    def condition(self, plural: str, name: str = "iris", kind: str = "Ready") -> dict[str, Any]:
        told = self.status(plural, name).get("conditions") or ()
        return next((entry for entry in told if entry["type"] == kind), {})

    async def ready(self, plural: str, name: str = "iris", *, version: int = 1) -> dict[str, Any]:
        """Returns the status of a resource once it is ready, with a version."""

        def look() -> bool:
            item, told = self.kubernetes.get(plural, NAMESPACE, name), self.status(plural, name)
            observed = told.get("observedGeneration") == item["metadata"]["generation"]
            return observed and self.condition(plural, name).get("status") == "True" and told.get("version") == version

        try:
            await self.kubernetes.until(look, PATIENCE)
        except TimeoutError:
            pytest.fail(f"{plural}/{name} is not ready: {self.status(plural, name)}")
        return self.status(plural, name)

    async def refused(self, plural: str, reason: str, name: str = "iris") -> str:
        """Returns the message of a resource once it is told to fail for a reason."""
        try:
            await self.kubernetes.until(lambda: self.condition(plural, name).get("reason") == reason, 20)
        except TimeoutError:
            pytest.fail(f"{plural}/{name} does not fail for {reason}: {self.status(plural, name)}")
        assert self.condition(plural, name)["status"] == "False"
        return str(self.condition(plural, name)["message"])


@pytest.fixture
def manifests(kubernetes: Any, platform: Platform) -> Manifests:
    return Manifests(kubernetes, platform.directory)


async def test_a_model_and_its_deployment_live_from_their_manifests(
    start_operator: StartOperator, manifests: Manifests, platform: Platform, kubernetes: Any
) -> None:
    async with start_operator():
        manifests.deployment()  # before its model, as `kubectl apply -f .` may have it
        assert "there is no MLModel iris" in await manifests.refused("mldeployments", "MODEL_MISSING")
        manifests.model(s3Path=manifests.artifact(), description="says it again")
        told = await manifests.ready("mlmodels")
        assert (told["model"], told["state"]) == ("projects/default/models/iris", "Ready")
        made = await platform.models.GetModel(model_service_pb2.GetModelRequest(name=told["model"]))
        assert (made.managed_by, made.description) == ("team-a/iris", "says it again")
        assert [method.name for method in (await platform.version("iris")).signature.methods] == ["predict"]

        told = await manifests.ready("mldeployments")
        assert (told["state"], told["url"]) == ("Serving", "https://kea.example/models/iris")
        assert (told["replicas"], told["readyReplicas"]) == (1, 1)
        assert told["deployment"] == "projects/default/deployments/iris-v1"
        assert {entry["status"] for entry in told["conditions"]} == {"True"}
        endpoint = await platform.endpoint("iris")
        assert (endpoint.managed_by, [target.deployment for target in endpoint.targets]) == (
            "team-a/iris",
            [told["deployment"]],
        )

        # New content is a new version, which takes over; nobody has told the operator of it.
        manifests.artifact("loudly")
        await manifests.ready("mlmodels", version=2)
        told = await manifests.ready("mldeployments", version=2)
        assert told["deployment"] == "projects/default/deployments/iris-v2"

        async def only_the_new_one() -> bool:
            return [entry.name for entry in await platform.deployments()] == [told["deployment"]]

        await eventually(only_the_new_one)

        # A model that is used stays until it is not.
        kubernetes.delete("mlmodels", NAMESPACE, "iris")
        assert "MLDeployments refer to it: iris" in await manifests.refused("mlmodels", "MODEL_IN_USE")
        kubernetes.delete("mldeployments", NAMESPACE, "iris")
        await kubernetes.until(lambda: not manifests.status("mldeployments"), 30)
        await kubernetes.until(lambda: not manifests.status("mlmodels"), 30)
        assert not await platform.deployments()
        for call in (
            platform.models.GetModel(model_service_pb2.GetModelRequest(name="projects/default/models/iris")),
            platform.endpoint("iris"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        events = [item for (plural, _, _), item in kubernetes.objects.items() if plural == "events"]
        assert {"VERSION_READY", "SERVING", "MODEL_IN_USE"} <= {event["reason"] for event in events}


async def eventually(condition: Callable[[], Any]) -> None:
    """Returns once a condition on the platform holds."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.05)


async def test_what_cannot_be_is_told_at_once(
    start_operator: StartOperator, manifests: Manifests, platform: Platform
) -> None:
    async with start_operator():
        manifests.model("framework", s3Path=manifests.artifact(), modelFramework="tensorflow")
        assert "expected one of sklearn, onnx, python" in await manifests.refused(
            "mlmodels", "FRAMEWORK_UNSUPPORTED", "framework"
        )
        manifests.model("scheme", s3Path="ftp://models/x")
        await manifests.refused("mlmodels", "SOURCE_REFUSED", "scheme")
        manifests.model("metadata", s3Path="https://169.254.169.254/latest/meta-data")
        await manifests.refused("mlmodels", "SOURCE_REFUSED", "metadata")
        manifests.model("missing", s3Path=f"file://{platform.directory}/models/missing.py")
        await manifests.refused("mlmodels", "SOURCE_NOT_FOUND", "missing")
        manifests.model("broken", s3Path=manifests.artifact(name="broken.onnx"), modelFramework="onnx")
        await manifests.refused("mlmodels", "ARTIFACT_INVALID", "broken")
        manifests.model("requirements", s3Path=manifests.artifact(), requirements=["not a requirement !"])
        message = await manifests.refused("mlmodels", "REQUIREMENTS_INVALID", "requirements")
        assert "projects/default/models/requirements" in message, "what the registry refuses has the registry's reason"
        manifests.model("secret", s3Path="s3://models/x.pkl", modelFramework="sklearn", credentialsSecret="none")
        await manifests.refused("mlmodels", "CREDENTIALS_MISSING", "secret")

        # What is put right is well at once, without a restart of anything.
        manifests.model("requirements", s3Path=manifests.artifact(), requirements=["numpy"])
        await manifests.ready("mlmodels", "requirements")


async def test_what_somebody_else_has_made_is_a_conflict_and_stays(
    start_operator: StartOperator, manifests: Manifests, platform: Platform, kubernetes: Any
) -> None:
    request = model_service_pb2.CreateModelRequest(
        parent="projects/default", model_id="iris", model=model_pb2.Model(description="mine")
    )
    await platform.models.CreateModel(request)
    async with start_operator():
        manifests.model(s3Path=manifests.artifact())
        assert "no custom resource" in await manifests.refused("mlmodels", "CONFLICT")
        assert manifests.status("mlmodels")["state"] == "Conflict"
        kubernetes.delete("mlmodels", NAMESPACE, "iris")
        await kubernetes.until(lambda: not manifests.status("mlmodels"), 20)
        name = "projects/default/models/iris"
        found = await platform.models.GetModel(model_service_pb2.GetModelRequest(name=name))
        assert (found.description, found.latest_version) == ("mine", 0)


async def test_a_namespace_says_which_project_its_resources_are_in(
    start_operator: StartOperator, manifests: Manifests, kubernetes: Any
) -> None:
    annotations = {"ml.kea-project.io/project": "lab"}
    async with start_operator():
        kubernetes.put("namespaces", "", NAMESPACE, metadata={"annotations": annotations})
        manifests.model(s3Path=manifests.artifact())
        told = await manifests.ready("mlmodels")
        assert told["model"] == "projects/lab/models/iris"


async def test_two_operators_make_no_version_twice_and_the_second_takes_over(
    start_operator: StartOperator, manifests: Manifests, platform: Platform
) -> None:
    first = start_operator()
    await first.__aenter__()
    async with start_operator():
        manifests.model(s3Path=manifests.artifact())
        await manifests.ready("mlmodels")
        await first.__aexit__(None, None, None)
        manifests.artifact("loudly")
        await manifests.ready("mlmodels", version=2)
    assert (await platform.version("iris")).number == 2


async def test_an_operator_that_forgot_what_it_did_does_not_do_it_again(
    start_operator: StartOperator, manifests: Manifests, platform: Platform, kubernetes: Any
) -> None:
    async with start_operator():
        manifests.model(s3Path=manifests.artifact())
        await manifests.ready("mlmodels")
    kubernetes.put("mlmodels", NAMESPACE, "iris", status={})  # as if it had been killed before it could tell
    async with start_operator():
        told = await manifests.ready("mlmodels")
    assert told["version"] == (await platform.version("iris")).number == 1


class Store:
    """An S3 store with one object; whoever has no signature is sent away."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.signed_by: set[str] = set()

    async def answer(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        if not authorization.startswith("AWS4-HMAC-SHA256 Credential="):
            return web.Response(status=403)
        self.signed_by.add(authorization.split("=")[1].split("/")[0])
        if request.path != "/models/iris/model.joblib":
            return web.Response(status=404)
        return web.Response(body=self.content, headers={"ETag": '"1"'})


async def test_old_fields_alone_are_enough_for_an_object_of_an_s3_store(
    start_operator: StartOperator, manifests: Manifests, platform: Platform, kubernetes: Any
) -> None:
    store = Store(b"no pickle is ever read here")
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", store.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    own = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": endpoint}
    sources = SourceSettings(allowed_networks=("127.0.0.0/8",))
    old = {
        "modelFramework": "sklearn",
        "s3Path": "s3://models/iris/model.joblib",
        "inputType": "JSON",
        "outputType": "JSON",
    }
    try:
        async with start_operator(own, sources=sources):
            manifests.model(**old)
            told = await manifests.ready("mlmodels")
            assert any("spec.signature is not given" in line for line in told["incomplete"])
            version = await platform.version("iris")
            assert version.entrypoint == "model.joblib"
            assert [method.name for method in version.signature.methods] == ["predict"]
            entries = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "y", "AWS_ENDPOINT_URL": endpoint}
            data = {key: base64.b64encode(value.encode()).decode() for key, value in entries.items()}
            kubernetes.put("secrets", NAMESPACE, "store", data=data)
            manifests.model("other", **old, credentialsSecret="store")
            await manifests.ready("mlmodels", "other")
            assert store.signed_by == {"own", "theirs"}
            manifests.model("gone", **{**old, "s3Path": "s3://models/gone.joblib"})
            assert "404" in await manifests.refused("mlmodels", "SOURCE_NOT_FOUND", "gone")
    finally:
        await runner.cleanup()


async def test_an_estimator_without_a_signature_is_served_as_it_was_guessed(
    start_operator: StartOperator, manifests: Manifests, platform: Platform, helpers: Any
) -> None:
    estimator = LogisticRegression().fit([[0.0, 0.0], [1.0, 1.0]], ["no", "yes"])
    path = platform.directory / "models" / "iris.joblib"
    joblib.dump(estimator, path)
    needs = [f"{name}=={importlib.metadata.version(name)}" for name in ("scikit-learn", "numpy")]
    async with start_operator():
        manifests.model(s3Path=f"file://{path}", modelFramework="sklearn", requirements=needs)
        manifests.deployment()
        await manifests.ready("mldeployments")
        (deployment,) = await platform.deployments()
        rows = [[0.1, 0.2], [0.9, 1.0]]
        assert await helpers.call(deployment.replicas[0], "predict", x=rows) == {"y": ["no", "yes"]}
        for path_, body, answer in (
            ("/v1/models/iris:predict", {"instances": rows}, ["no", "yes"]),
            (
                "/v2/models/iris/infer",
                {"inputs": [{"name": "x", "datatype": "FP64", "shape": [2, 2], "data": [0.1, 0.2, 0.9, 1.0]}]},
                ['["no","yes"]'],
            ),
        ):
            got = await posted(deployment.replicas[0], path_, body)
            assert got.get("predictions") == answer or got["outputs"][0]["data"] == answer


async def posted(replica: Any, path: str, body: Any) -> Any:
    """Calls a model server at a path; returns its answer."""
    transport = httpx.AsyncHTTPTransport(uds=replica.http_address.removeprefix("unix:"))
    async with httpx.AsyncClient(transport=transport, timeout=30, trust_env=False) as client:
        answer = await client.post(f"http://replica{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_while_kubernetes_is_away_nothing_changes_and_afterwards_all_goes_on(
    start_operator: StartOperator, manifests: Manifests, kubernetes: Any
) -> None:
    async with start_operator():
        manifests.model(s3Path=manifests.artifact())
        await manifests.ready("mlmodels")
        kubernetes.away = True
        manifests.artifact("loudly")
        await asyncio.sleep(1)
        assert manifests.status("mlmodels")["version"] == 1
        kubernetes.away = False
        await manifests.ready("mlmodels", version=2)
