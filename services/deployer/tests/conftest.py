"""The deployer, run whole beside a small registry and a small auth, with real model servers, for tests."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import duration_pb2, field_mask_pb2
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea.longrunning.v1 import operations_pb2_grpc
from kea.registry.v1 import model_version_pb2, model_version_service_pb2, model_version_service_pb2_grpc
from kea_core import status
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings
from kea_core.errors import NotFound
from kea_core.lifeline import open_lifeline
from kea_core.operations import Operation, WaitOperationRequest
from kea_core.settings import DrainSettings
from kea_core.testing.peers import serve_auth
from kea_core.testing.tokens import make_token
from kea_deployer.domain.deployment import Deployment, ModelVersion, Replica, ReplicaState, Status
from kea_deployer.main import run
from kea_deployer.settings import DeployerSettings
from kea_openapi.convert import to_proto
from kea_openapi.signature import from_json
from prometheus_client import CollectorRegistry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROJECT = "projects/default"
MODEL = f"{PROJECT}/models/echo"
NAME = f"{PROJECT}/deployments/echo"
State = deployment_pb2.Deployment
ReplicaMessage = deployment_pb2.Replica
CreateRequest = deployment_service_pb2.CreateDeploymentRequest
WatchRequest = deployment_service_pb2.WatchDeploymentsRequest

SOURCE = """
import asyncio
import os


class Model:
    def __init__(self):
        print("loading", flush=True)
        {load}

    def echo(self, text: str) -> str:
        print(f"echo {{text}}", flush=True)
        return text

    async def slow(self, seconds: float) -> float:
        print("slow", flush=True)
        await asyncio.sleep(seconds)
        return seconds
"""


def _method(name: str, argument: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "inputs": [{"name": argument, "json_schema": schema}],
        "outputs": [{"name": "result", "json_schema": schema}],
    }


SIGNATURE = {
    "methods": [_method("echo", "text", {"type": "string"}), _method("slow", "seconds", {"type": "number"})],
    "default_method": "echo",
}


class VersionMissing(NotFound):
    reason = "MODEL_VERSION_NOT_FOUND"


def pack(files: Mapping[str, bytes]) -> bytes:
    """Returns a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class FakeRegistry(model_version_service_pb2_grpc.ModelVersionServiceServicer):
    """Has the versions it is given; can be made to send something else, or nothing."""

    def __init__(self) -> None:
        self.versions: dict[str, model_version_pb2.ModelVersion] = {}
        self.archives: dict[str, bytes] = {}
        self.downloads = 0
        self.refuses: grpc.StatusCode | None = None
        """Answer to a download."""
        self.refused = asyncio.Event()
        """Set when a download has been refused."""
        self.sending = asyncio.Event()
        """Downloads wait for it after their first byte."""
        self.sending.set()
        self.begun = asyncio.Event()
        """Set when a download has begun."""

    def put(
        self, number: int = 1, *, load: str = "pass", archive: bytes | None = None, **changes: Any
    ) -> model_version_pb2.ModelVersion:
        """Has a version of a small model; `load` is what it does while it loads."""
        content = archive or pack({"model.py": SOURCE.format(load=load).encode()})
        message = model_version_pb2.ModelVersion(
            name=f"{MODEL}/versions/{number}",
            number=number,
            framework=model_version_pb2.FRAMEWORK_PYTHON,
            entrypoint="model.py:Model",
            signature=to_proto(from_json(SIGNATURE)),
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
        )
        for field, value in changes.items():
            message.ClearField(field)  # pyright: ignore[reportArgumentType] - the name is the test's
            message.MergeFrom(model_version_pb2.ModelVersion(**{field: value}))
        self.versions[message.name] = message
        self.archives[message.name] = content
        return message

    async def GetModelVersion(  # noqa: N802 - the proto's name
        self, request: model_version_service_pb2.GetModelVersionRequest, context: Any
    ) -> model_version_pb2.ModelVersion:
        found = self.versions.get(request.name)
        if request.name.endswith("/latest") and self.versions:
            found = max(self.versions.values(), key=lambda version: version.number)
        if found is None:
            await status.abort(context, status.to_status(VersionMissing("no such version")))
            raise AssertionError
        return found

    async def DownloadModelVersion(  # noqa: N802 - the proto's name
        self, request: model_version_service_pb2.DownloadModelVersionRequest, context: Any
    ) -> AsyncIterator[model_version_service_pb2.DownloadModelVersionResponse]:
        self.downloads += 1
        if self.refuses is not None:
            self.refused.set()
            await context.abort(self.refuses, "not now")
        content = self.archives[request.name]
        yield model_version_service_pb2.DownloadModelVersionResponse(chunk=content[:1])
        self.begun.set()
        await self.sending.wait()
        yield model_version_service_pb2.DownloadModelVersionResponse(chunk=content[1:])


@asynccontextmanager
async def serve_registry(address: str, registry: FakeRegistry) -> AsyncGenerator[FakeRegistry, None]:
    """Serves a small registry."""
    server = grpc.aio.server()
    model_version_service_pb2_grpc.add_ModelVersionServiceServicer_to_server(registry, server)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield registry
    finally:
        await server.stop(0)


@dataclass
class Deployer:
    """A running deployer and ways to call it."""

    settings: DeployerSettings
    channel: grpc.aio.Channel
    registry: FakeRegistry
    patience: float = 60.0
    """Seconds that one wait may take."""

    @property
    def deployments(self) -> deployment_service_pb2_grpc.DeploymentServiceStub:
        return deployment_service_pb2_grpc.DeploymentServiceStub(self.channel)

    @property
    def operations(self) -> operations_pb2_grpc.OperationsStub:
        return operations_pb2_grpc.OperationsStub(self.channel)

    async def create(
        self,
        name: str = NAME,
        version: str = "1",
        replicas: int | None = None,
        wanted: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Operation:
        """Begins a creation."""
        parent, _, identifier = name.partition("/deployments/")
        deployment = deployment_pb2.Deployment(
            model_version=f"{MODEL}/versions/{version}", replica_count=replicas, **(wanted or {})
        )
        request = CreateRequest(parent=parent, deployment_id=identifier, deployment=deployment, **more)
        return await self.deployments.CreateDeployment(request)

    async def created(
        self, name: str = NAME, version: str = "1", replicas: int | None = None
    ) -> deployment_pb2.Deployment:
        """Creates; returns the deployment when all replicas serve."""
        ended = await self.ended(await self.create(name, version, replicas))
        assert not ended.HasField("error"), ended.error
        return await self.until(lambda found: not found.reconciling, name)

    async def scale(self, replicas: int, name: str = NAME, **more: Any) -> Operation:
        """Begins an update."""
        return await self.update(deployment_pb2.Deployment(name=name, replica_count=replicas, **more))

    async def update(self, wanted: deployment_pb2.Deployment, *paths: str) -> Operation:
        """Begins an update."""
        mask = field_mask_pb2.FieldMask(paths=paths)
        request = deployment_service_pb2.UpdateDeploymentRequest(deployment=wanted, update_mask=mask)
        return await self.deployments.UpdateDeployment(request)

    async def delete(self, name: str = NAME, **more: Any) -> Operation:
        """Begins a deletion."""
        return await self.deployments.DeleteDeployment(
            deployment_service_pb2.DeleteDeploymentRequest(name=name, **more)
        )

    async def get(self, name: str = NAME) -> deployment_pb2.Deployment:
        return await self.deployments.GetDeployment(deployment_service_pb2.GetDeploymentRequest(name=name))

    async def ended(self, operation: Operation) -> Operation:
        """Returns an operation when it has ended."""
        request = WaitOperationRequest(name=operation.name, timeout=duration_pb2.Duration(seconds=30))
        async with asyncio.timeout(self.patience):
            while not operation.done:
                operation = await self.operations.WaitOperation(request, timeout=40)
        return operation

    async def until(self, condition: Callable[[deployment_pb2.Deployment], Any], name: str = NAME) -> Any:
        """Follows a deployment until a condition holds; returns it as it is then."""
        return [found async for found in self.states(condition, name)][-1]

    async def states(
        self, condition: Callable[[deployment_pb2.Deployment], Any], name: str = NAME
    ) -> AsyncGenerator[deployment_pb2.Deployment, None]:
        """Yields how a deployment is, each time that changes, until a condition holds."""
        async with asyncio.timeout(self.patience):
            watch = self.deployments.WatchDeployments(WatchRequest())
            async for message in watch:
                if message.upserted.name == name:
                    yield message.upserted
                    if condition(message.upserted):
                        watch.cancel()
                        return
        raise AssertionError

    async def gone(self, name: str = NAME) -> None:
        """Returns when a deployment is gone."""
        async with asyncio.timeout(self.patience):
            watch = self.deployments.WatchDeployments(WatchRequest(since_revision=1))
            async for message in watch:
                if message.deleted == name:
                    watch.cancel()
                    return


async def call(replica: ReplicaMessage, method: str, **body: Any) -> Any:
    """Calls a model server; returns its answer."""
    transport = httpx.AsyncHTTPTransport(uds=replica.http_address.removeprefix("unix:"))
    async with httpx.AsyncClient(transport=transport, timeout=30, trust_env=False) as client:
        answer = await client.post(f"http://replica/models/echo/{method}", json=body)
        answer.raise_for_status()
        return answer.json()


def conditions_of(deployment: deployment_pb2.Deployment) -> dict[str, tuple[int, str, str]]:
    """Returns status, reason and message of each condition."""
    told = {entry.type: (int(entry.status), entry.reason, entry.message) for entry in deployment.conditions}
    return defaultdict(lambda: (0, "", ""), told)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """Returns code and reason of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = status.error_info(caught.value)
    assert info is not None, caught.value
    return caught.value.code(), info.reason


async def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Returns once a condition holds that another process, or a thread, brings about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


@pytest.fixture
def socket_directory() -> Generator[Path, None, None]:
    # Paths of unix sockets are short: pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="kea") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where environments, layers and images are kept for the whole run: named by content, all tests share them."""
    directory = tmp_path_factory.mktemp("shared")
    for name in ("environments", "layers", "images"):
        (directory / name).mkdir()
    return directory


@pytest.fixture
def settings(
    database: DatabaseSettings, socket_directory: Path, shared_directory: Path, tmp_path: Path
) -> DeployerSettings:
    """Settings of a deployer that is quick to notice and to give up."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("environments", "layers"):
        (data / name).symlink_to(shared_directory / name)
    secret = tmp_path / "secret"
    secret.write_text("s" * 40)
    return DeployerSettings(
        address=f"unix:{socket_directory}/deployer",
        auth_address=f"unix:{socket_directory}/auth",
        registry_address=f"unix:{socket_directory}/registry",
        database=database,
        credential_file=secret,
        data_directory=data,
        socket_directory=socket_directory / "r",
        health_interval_seconds=0.1,
        health_timeout_seconds=1.0,
        health_failures=3,
        start_timeout_seconds=20.0,
        drain_seconds=5.0,
        drain_delay_seconds=0.05,
        drain=DrainSettings(grace_seconds=0.1),
    )


@pytest.fixture
async def neighbours(settings: DeployerSettings) -> AsyncGenerator[FakeRegistry, None]:
    """A small auth and a small registry."""
    async with serve_auth(settings.auth_address), serve_registry(settings.registry_address, FakeRegistry()) as found:
        yield found


@asynccontextmanager
async def connected(
    settings: DeployerSettings,
    registry: FakeRegistry,
    patience: float = Deployer.patience,
    subject: str = "users/ada",
) -> AsyncGenerator[Deployer, None]:
    """Speaks to a deployer."""

    async def tokens() -> str:
        return make_token("admin", subject=subject)

    async with open_channel(settings.address, tokens) as channel:
        yield Deployer(settings, channel, registry, patience)


@pytest.fixture(scope="session")
def connect_as() -> Callable[[Deployer, str], AbstractAsyncContextManager[Deployer]]:
    """Speaks to a deployer that runs as somebody else."""
    return lambda deployer, subject: connected(deployer.settings, deployer.registry, deployer.patience, subject)


StartDeployer = Callable[..., AbstractAsyncContextManager[Deployer]]


@pytest.fixture
def start_deployer(settings: DeployerSettings, neighbours: FakeRegistry) -> StartDeployer:
    """Starts a deployer; called again, the next one on the same database and directories."""

    @asynccontextmanager
    async def start(patience: float = Deployer.patience, **changes: Any) -> AsyncGenerator[Deployer, None]:
        changed = replace(settings, **changes)
        stop, ready = asyncio.Event(), asyncio.Event()
        async with asyncio.timeout(patience + 40), asyncio.TaskGroup() as group:
            group.create_task(run(changed, stop, ready.set, metrics=CollectorRegistry()))
            await ready.wait()
            try:
                async with connected(changed, neighbours, patience) as deployer:
                    yield deployer
            finally:
                stop.set()

    return start


class Lifeline:
    """The platform's lifeline, which the test holds."""

    def __init__(self) -> None:
        self.fd, self._held = open_lifeline()

    def end(self) -> None:
        """Ends the platform; once, because the number of a closed descriptor soon is another's."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


@pytest.fixture
def lifeline() -> Generator[Lifeline, None, None]:
    """A lifeline; it ends with the test at the latest."""
    made = Lifeline()
    yield made
    made.end()
    os.close(made.fd)


def make_model(**changes: Any) -> ModelVersion:
    """Returns a model version."""
    made = ModelVersion(f"{MODEL}/versions/1", "python", "model.py:Model", SIGNATURE, (), "0" * 64)
    return replace(made, **changes)


def make_replica(number: int = 1, state: ReplicaState = ReplicaState.READY, **changes: Any) -> Replica:
    """Returns a replica; one that should run has a process."""
    identifier = f"{number:08x}"
    runs = state in {ReplicaState.READY, ReplicaState.DRAINING}
    made = Replica(
        id=identifier,
        number=number,
        state=state,
        http_address=f"unix:/run/{identifier}.http",
        grpc_address=f"unix:/run/{identifier}.grpc",
        pid=1000 + number if runs else 0,
        process_time=1.0 if runs else 0.0,
        restart_count=0,
        start_time=NOON - timedelta(minutes=1),
        restart_time=None,
    )
    return replace(made, **changes)


def make_deployment(replicas: tuple[Replica, ...] = (), *, wanted: int = 1, **status_changes: Any) -> Deployment:
    """Returns a deployment with these replicas."""
    return Deployment(
        name=NAME,
        model=make_model(),
        replica_count=wanted,
        wanted_revision=1,
        status=replace(Status(replicas=replicas), **status_changes),
        create_time=NOON,
        update_time=NOON,
    )


@pytest.fixture(scope="session")
def helpers() -> Any:
    """What tests share; test folders are not packages, so they cannot import it."""
    return Helpers


class Helpers:
    """Functions and values shared by tests."""

    FakeRegistry = FakeRegistry
    LogsRequest = deployment_service_pb2.StreamDeploymentLogsRequest
    serve_registry = staticmethod(serve_registry)
    connected = staticmethod(connected)
    pack = staticmethod(pack)
    call = staticmethod(call)
    conditions_of = staticmethod(conditions_of)
    refused = staticmethod(refused)
    eventually = staticmethod(eventually)
    make_model = staticmethod(make_model)
    make_replica = staticmethod(make_replica)
    make_deployment = staticmethod(make_deployment)
    NOON = NOON
    MODEL = MODEL
    NAME = NAME
    PROJECT = PROJECT
    SIGNATURE = SIGNATURE
