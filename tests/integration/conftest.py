"""A real Envoy that follows a real router, with small neighbours and small servers in place of models."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import duration_pb2
from kea.deployer.v1 import deployment_pb2
from kea.router.v1 import (
    data_plane_service_pb2,
    data_plane_service_pb2_grpc,
    endpoint_pb2,
    endpoint_service_pb2,
    endpoint_service_pb2_grpc,
)
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings, to_environment
from kea_core.testing.peers import FakeAuth, FakeDeployer, serve_auth, serve_deployer
from kea_core.testing.tokens import make_token
from kea_router.main import run
from kea_router.settings import RouterSettings
from prometheus_client import CollectorRegistry

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))

from envoys import GATEWAYS_ADDRESS, EnvoyProcess, Members

PARENT = "projects/default"


class Upstream:
    """Stands in for a model server: answers every request on a unix socket with its own name."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.requests = 0
        self.holding = False
        """Whether it keeps requests without answering them."""
        self.held = asyncio.Event()
        """Set once it has kept one."""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def replica(self) -> deployment_pb2.Replica:
        """It as the deployer would tell of it."""
        return deployment_pb2.Replica(
            id=self.name,
            state=deployment_pb2.Replica.STATE_READY,
            http_address=f"unix:{self.path}",
            grpc_address=f"unix:{self.path}.grpc",
        )

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    def die(self) -> None:
        """Ends at once, as a killed process does: its socket's file stays."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                await reader.readexactly(int(lines.get("content-length", 0)))
                self.requests += 1
                if self.holding:
                    self.held.set()
                    await reader.read()  # until it dies
                body = json.dumps({"served_by": self.name, "authorization": lines.get("authorization")}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self._writers.discard(writer)


class RouterProcess:
    """A router as a process of its own, which can be killed."""

    def __init__(self, settings: RouterSettings, log: Path) -> None:
        self._settings = settings
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KEA_")}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "kea_router"),
                env=environment | to_environment(self._settings, "KEA_ROUTER"),
                stdout=log,
                stderr=log,
            )

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


@dataclass
class Plane:
    """A data plane: Envoy, router and what stands around them."""

    directory: Path
    settings: RouterSettings
    auth: FakeAuth
    deployer: FakeDeployer
    envoy: EnvoyProcess
    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    metrics: CollectorRegistry
    stack: AsyncExitStack

    @property
    def endpoints(self) -> endpoint_service_pb2_grpc.EndpointServiceStub:
        return endpoint_service_pb2_grpc.EndpointServiceStub(self.channel)

    async def join(self, members: Members) -> Plane:
        """Starts one more Envoy; returns the data plane as callers of that one see it."""
        directory = self.directory / "joined"
        directory.mkdir()
        envoy = EnvoyProcess(directory, self.settings.xds_address, members=members)
        self.stack.push_async_callback(envoy.stop)
        await envoy.start()
        base = f"http://127.0.0.1:{envoy.port}"
        client = httpx.AsyncClient(base_url=base, trust_env=False, timeout=20)
        http = await self.stack.enter_async_context(client)
        await until(lambda: is_up(http))
        return replace(self, envoy=envoy, http=http)

    async def status(self) -> data_plane_service_pb2.GetDataPlaneStatusResponse:
        stub = data_plane_service_pb2_grpc.DataPlaneServiceStub(self.channel)
        return await stub.GetDataPlaneStatus(data_plane_service_pb2.GetDataPlaneStatusRequest())

    async def upstream(self, name: str) -> Upstream:
        made = Upstream(name, self.directory / f"{name}.sock")
        await made.start()
        self.stack.callback(made.die)
        return made

    def deploy(self, name: str, *upstreams: Upstream, version: int = 1) -> None:
        """Has the deployer tell that a deployment has these replicas."""
        replicas = [upstream.replica for upstream in upstreams]
        self.deployer.put(f"{PARENT}/deployments/{name}", replicas, version=version)

    async def create(self, name: str, **weights: int) -> endpoint_pb2.Endpoint:
        return await self.endpoints.CreateEndpoint(
            endpoint_service_pb2.CreateEndpointRequest(
                parent=PARENT, endpoint_id=name, endpoint=wanted(name, **weights)
            ),
            wait_for_ready=True,
        )

    async def update(self, name: str, **weights: int) -> endpoint_pb2.Endpoint:
        request = endpoint_service_pb2.UpdateEndpointRequest(endpoint=wanted(name, **weights))
        return await self.endpoints.UpdateEndpoint(request, wait_for_ready=True)

    async def retry(self, name: str, retry: str) -> None:
        """Says which requests that failed on the way are sent to another replica."""
        endpoint = endpoint_pb2.Endpoint(name=f"{PARENT}/endpoints/{name}", retry=retry)
        await self.endpoints.UpdateEndpoint(endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint))

    async def get(self, name: str) -> endpoint_pb2.Endpoint:
        request = endpoint_service_pb2.GetEndpointRequest(name=f"{PARENT}/endpoints/{name}")
        return await self.endpoints.GetEndpoint(request, wait_for_ready=True)

    async def settled(self, name: str, state: int = endpoint_pb2.Endpoint.STATE_ACTIVE) -> endpoint_pb2.Endpoint:
        """Returns an endpoint once every Envoy has taken it."""

        async def found() -> endpoint_pb2.Endpoint | None:
            try:
                endpoint = await self.get(name)
            except grpc.aio.AioRpcError as error:
                # A router that has just started does not know auth's keys yet; callers are told to try again.
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return None
            return None if endpoint.reconciling or endpoint.state != state else endpoint

        return await until(found)

    async def call(self, model: str = "iris", *, role: str = "admin", path: str = "") -> httpx.Response:
        return await self.call_with(make_token(role) if role else "", path or f"/models/{model}/predict")

    async def call_with(self, token: str, path: str, **headers: str) -> httpx.Response:
        """Calls a model's method with a token, or with none."""
        sent = {**headers, "authorization": f"Bearer {token}"} if token else headers
        return await self.http.post(path, json={"x": [1]}, headers=sent)

    async def served_by(self, model: str = "iris") -> str:
        answer = await self.call(model)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["served_by"])


@dataclass
class Callers:
    """Calls a model without pause on connections of their own, and keeps what went wrong."""

    plane: Plane
    model: str = "iris"
    count: int = 4
    served_by: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def __call__(self) -> AsyncGenerator[Callers, None]:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._call()) for _ in range(self.count)]
            await self.more(20)
            yield self
            for task in running:
                task.cancel()

    async def _call(self) -> None:
        headers = {"authorization": f"Bearer {make_token('admin')}"}
        base = str(self.plane.http.base_url)
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=20) as client:
            while True:
                try:
                    answer = await client.post(f"/models/{self.model}/predict", json={"x": [1]})
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.served_by[str(answer.json()["served_by"])] += 1
                else:
                    self.failures.append(f"{answer.status_code} {answer.text}")
                self._answered.set()

    async def more(self, count: int, name: str = "") -> None:
        """Waits for more answers, where `name` is given from that upstream."""

        def answers() -> int:
            return self.served_by[name] if name else self.served_by.total() + len(self.failures)

        enough = answers() + count
        async with asyncio.timeout(20):
            while answers() < enough:
                self._answered.clear()
                await self._answered.wait()


def wanted(name: str, **weights: int) -> endpoint_pb2.Endpoint:
    targets = [
        endpoint_pb2.Target(deployment=f"{PARENT}/deployments/{deployment}", weight=weight)
        for deployment, weight in weights.items()
    ]
    timeout = duration_pb2.Duration(seconds=10)
    return endpoint_pb2.Endpoint(name=f"{PARENT}/endpoints/{name}", targets=targets, timeout=timeout)


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    """Returns the first true value of an awaited `condition`; what another process does raises no event here."""
    async with asyncio.timeout(seconds):
        while not (value := await condition()):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)
        return value


StartPlane = Callable[..., AbstractAsyncContextManager[Plane]]


@pytest.fixture
def directory() -> Generator[Path, None, None]:
    # Paths of unix sockets are short: pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="kea") as made:
        yield Path(made)


@pytest.fixture
def start_plane(directory: Path) -> StartPlane:
    """Starts a router beside small neighbours, and an Envoy that follows it."""

    @asynccontextmanager
    async def start(
        *,
        router: RouterProcess | None = None,
        audit_address: str = "",
        members: Members | None = None,
        sharing: bool = False,
        seconds: float = 60,
    ) -> AsyncGenerator[Plane, None]:
        settings = replace(router_settings(directory), gateways_address=GATEWAYS_ADDRESS if sharing else "")
        metrics, stop, ready = CollectorRegistry(), asyncio.Event(), asyncio.Event()
        envoy = EnvoyProcess(directory, settings.xds_address, audit_address, members)

        async def tokens() -> str:
            return make_token("admin")

        async with asyncio.timeout(seconds), AsyncExitStack() as stack:
            auth = await stack.enter_async_context(serve_auth(settings.auth_address))
            deployer = await stack.enter_async_context(serve_deployer(settings.deployer_address, FakeDeployer()))
            if router is None:
                tasks = await stack.enter_async_context(asyncio.TaskGroup())
                tasks.create_task(run(settings, stop, ready.set, metrics=metrics))
                stack.callback(stop.set)
                await ready.wait()
            else:
                stack.push_async_callback(router.kill)
                await router.start()
            stack.push_async_callback(envoy.stop)
            await envoy.start()
            channel = await stack.enter_async_context(open_channel(settings.address, tokens))
            base = f"http://127.0.0.1:{envoy.port}"
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, trust_env=False, timeout=20))
            await until(lambda: is_up(http))
            yield Plane(directory, settings, auth, deployer, envoy, http, channel, metrics, stack)

    return start


async def is_up(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/v2/health/live")).status_code == 200
    except httpx.TransportError:
        return False


def router_settings(directory: Path) -> RouterSettings:
    secret = directory / "secret"
    secret.write_text("s" * 40)
    return RouterSettings(
        address=f"unix:{directory}/router.sock",
        xds_address=f"unix:{directory}/xds.sock",
        auth_address=f"unix:{directory}/auth.sock",
        registry_address=f"unix:{directory}/registry.sock",
        deployer_address=f"unix:{directory}/deployer.sock",
        portal_http_address=f"unix:{directory}/portal.sock",
        portal_grpc_address=f"unix:{directory}/reflection.sock",
        database=DatabaseSettings(url=f"sqlite:///{directory}/router.db"),
        credential_file=secret,
        drain=DrainSettings(grace_seconds=0.1),
    )


@pytest.fixture
def router_process(directory: Path) -> RouterProcess:
    """A router that is not started yet; give it to `start_plane`."""
    return RouterProcess(router_settings(directory), directory / "router.log")


@pytest.fixture
def members(directory: Path) -> Members:
    return Members(directory / "members.json")


@pytest.fixture
def callers() -> type[Callers]:
    return Callers


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    return until
