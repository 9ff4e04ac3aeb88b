"""A launched Envoy, a router and its neighbours that speak mutual TLS with one another, and nothing else."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from kea.auth.v1 import access_service_pb2_grpc, signing_key_service_pb2_grpc, token_service_pb2_grpc
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2_grpc
from kea.otlp.v1 import logs_pb2
from kea.router.v1 import data_plane_service_pb2, data_plane_service_pb2_grpc
from kea_auth.audit.chain import Chain, Limits
from kea_auth.audit.event import Filter
from kea_auth.audit.journal import Journal, JournalMetrics
from kea_auth.audit.receiver import serve_receiver
from kea_auth.audit.search import Log
from kea_auth.settings import AuthSettings
from kea_core.audit_shipper import otlp_sender
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings
from kea_core.http_server import serve_http
from kea_core.server import listen
from kea_core.settings import DrainSettings, SettingsError, to_environment
from kea_core.task_scope import TaskScope
from kea_core.testing.certificates import Authority, mount
from kea_core.testing.peers import FakeAuth, FakeDeployer
from kea_core.testing.tokens import make_token
from kea_core.tls import Tls
from kea_deployer.operator.settings import OperatorSettings
from kea_deployer.settings import DeployerSettings
from kea_gateway.settings import GatewaySettings
from kea_registry.settings import RegistrySettings
from kea_router.main import run
from kea_router.settings import RouterSettings
from prometheus_client import CollectorRegistry

DEPLOYMENT = "projects/default/deployments/v1"
NAMES = ("localhost", "127.0.0.1")
MEMBERS = ("auth", "deployer", "router", "envoy")
ADDRESSES = ("xds", "audit", "login", "registry", "gateway")


class Deployer(FakeDeployer):
    """Keeps whom Envoy is to it."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: list[bytes] = []

    async def GetDeployment(self, request: Any, context: Any) -> deployment_pb2.Deployment:  # noqa: N802 - the proto's
        self.callers.append(context.auth_context()["x509_pem_cert"][0])
        return deployment_pb2.Deployment(name=request.name)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class Plane:
    """Who is there, and where. Envoy calls the deployer by IP address and all others by name."""

    directory: Path
    authority: Authority
    ports: dict[str, int] = field(
        default_factory=lambda: {
            name: free_port() for name in (*MEMBERS, "xds", "audit", "login", "registry", "gateway")
        }
    )
    deployer: Deployer = field(default_factory=Deployer)
    envoy_certificate: bytes = b""

    def renew(self, authority: Authority) -> None:
        """Gives everybody a certificate of an authority, and has everybody trust it alone."""
        for name in MEMBERS:
            issued = authority.issue(*NAMES)
            mount(self.directory / f"{name}-tls", issued.files)
        self.envoy_certificate = (self.directory / "envoy-tls" / "tls.crt").read_bytes()

    def tls(self, name: str) -> Tls:
        return Tls(self.directory / f"{name}-tls", look_seconds=0)

    def address(self, name: str, host: str = "localhost") -> str:
        return f"{host}:{self.ports[name]}"

    @asynccontextmanager
    async def serving(self, name: str, register: Callable[[grpc.aio.Server], None]) -> AsyncGenerator[None]:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        register(server)
        listen(server, self.address(name, "127.0.0.1"), self.tls(name))
        await server.start()
        try:
            yield
        finally:
            await server.stop(0)

    @asynccontextmanager
    async def neighbours(self) -> AsyncGenerator[None]:
        auth = FakeAuth()

        def register(server: grpc.aio.Server) -> None:
            access_service_pb2_grpc.add_AccessServiceServicer_to_server(auth, server)
            signing_key_service_pb2_grpc.add_SigningKeyServiceServicer_to_server(auth, server)
            token_service_pb2_grpc.add_TokenServiceServicer_to_server(auth, server)

        def add(server: grpc.aio.Server) -> None:
            deployment_service_pb2_grpc.add_DeploymentServiceServicer_to_server(self.deployer, server)

        async with self.serving("auth", register), self.serving("deployer", add):
            yield

    @asynccontextmanager
    async def router(self) -> AsyncGenerator[None]:
        secret = self.directory / "secret"
        secret.write_text("s" * 40)
        settings = RouterSettings(
            address=self.address("router", "127.0.0.1"),
            public_address=self.address("router"),
            xds_address=self.address("xds", "127.0.0.1"),
            auth_address=self.address("auth"),
            auth_http_address=self.address("login"),
            registry_address=self.address("registry"),
            deployer_address=self.address("deployer", "127.0.0.1"),
            portal_http_address="unix:/run/portal",
            portal_grpc_address="unix:/run/reflection",
            database=DatabaseSettings(url=f"sqlite:///{self.directory}/router.db"),
            credential_file=secret,
            tls_directory=str(self.directory / "router-tls"),
            drain=DrainSettings(grace_seconds=0.1),
        )
        stop, ready = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run(settings, stop, ready.set, metrics=CollectorRegistry()))
            await ready.wait()
            try:
                yield
            finally:
                stop.set()

    def environment(self, **more: str) -> dict[str, str]:
        told = {
            "KEA_ENVOY_HOST": "127.0.0.1",
            "KEA_ENVOY_PORT": str(self.ports["gateway"]),
            "KEA_ENVOY_XDS_ADDRESS": self.address("xds"),
            "KEA_ENVOY_DIRECTORY": "launched",  # below the directory that it is started in
            "KEA_ENVOY_ACCESS_LOG": "/dev/null",
            "KEA_ENVOY_TLS_DIRECTORY": "envoy-tls",
        }
        return {**os.environ, **told, **more}

    async def launch(self, **more: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kea_gateway.envoy"),
            env=self.environment(**more),
            cwd=self.directory,
            stderr=asyncio.subprocess.PIPE,
        )

    @asynccontextmanager
    async def envoy(self, **more: str) -> AsyncGenerator[httpx.AsyncClient]:
        process = await self.launch(**more)
        headers = {"authorization": f"Bearer {make_token('admin')}"}
        base = f"http://127.0.0.1:{self.ports['gateway']}"
        async with AsyncExitStack() as stack:
            scope = await stack.enter_async_context(TaskScope())
            assert process.stderr is not None
            scope.create_task(forget(process.stderr), name="lines of Envoy")
            client = httpx.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=20)
            stack.push_async_callback(process.wait)
            stack.callback(process.kill)
            yield await stack.enter_async_context(client)


async def forget(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def answers(client: httpx.AsyncClient, path: str) -> bool:
    """Whether a path is answered as it should be: not yet, as long as somebody is not there."""
    try:
        answer = await client.get(path)
    except httpx.TransportError:
        return False
    return answer.status_code == 200


@pytest.fixture
def plane(directory: Path) -> Plane:
    made = Plane(directory, Authority())
    made.renew(made.authority)
    return made


async def test_envoy_reaches_services_that_speak_mutual_tls_alone(plane: Plane, eventually: Any) -> None:
    async with asyncio.timeout(60), plane.neighbours(), plane.router(), plane.envoy() as client:
        # Through the cluster of the bootstrap it has learnt what the router publishes; these are two of its clusters.
        await eventually(lambda: answers(client, "/api/v1/projects/default/endpoints"))
        assert await answers(client, f"/api/v1/{DEPLOYMENT}")
        assert plane.deployer.callers == [plane.envoy_certificate]


async def test_envoy_sends_people_who_log_in_by_mutual_tls_alone(plane: Plane, eventually: Any) -> None:
    async def login(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"log in"})

    address = plane.address("login", "127.0.0.1")
    serving = serve_http(login, address, 1.0, name="login", tls=plane.tls("auth"))
    async with asyncio.timeout(60), plane.neighbours(), plane.router(), serving, plane.envoy() as client:
        await eventually(lambda: answers(client, "/login"))
        async with httpx.AsyncClient(verify=False, trust_env=False) as stranger:  # noqa: S501 - it shows none itself
            with pytest.raises(httpx.TransportError):
                await stranger.get(f"https://{address}/login")


async def test_audit_events_of_envoy_and_of_services_go_by_mutual_tls(plane: Plane, eventually: Any) -> None:
    chain = Chain(plane.directory / "audit" / "000", Limits(), time.time_ns)
    journal = Journal(chain, JournalMetrics(CollectorRegistry()), time.time_ns)
    log = Log(plane.directory / "audit", lambda: journal.position)
    data = logs_pb2.LogsData()
    data.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=time.time_ns())

    async def told(count: int) -> bool:
        return len(log.search(Filter(), oldest_first=True, after=None, most=10).found) >= count

    async with asyncio.timeout(60), plane.neighbours(), plane.router(), TaskScope() as tasks:
        tasks.create_task(journal.run(), name="journal")
        address = plane.address("audit")
        async with (
            serve_receiver(plane.address("audit", "127.0.0.1"), journal, plane.tls("auth")),
            plane.envoy(KEA_ENVOY_AUDIT_ADDRESS=address) as client,
            open_channel(address, tls=plane.tls("router")) as service,
            open_channel(address) as stranger,
        ):
            await eventually(lambda: answers(client, "/api/v1/projects/default/endpoints"))
            await client.post("/models/nothing/predict")
            await eventually(lambda: told(1))
            await otlp_sender(service)(data.SerializeToString())
            await eventually(lambda: told(2))
            with pytest.raises(grpc.aio.AioRpcError):
                await otlp_sender(stranger)(data.SerializeToString())
    await journal.close()


async def test_configuration_is_given_to_nobody_without_a_certificate(plane: Plane) -> None:
    async with asyncio.timeout(60), plane.neighbours(), plane.router():
        for name in ("xds", "router"):
            async with open_channel(plane.address(name)) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await channel.unary_unary("/grpc.health.v1.Health/Check")(b"")  # pyright: ignore[reportGeneralTypeIssues]
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_everybody_takes_certificates_and_authorities_that_are_renewed_in_place(
    plane: Plane, eventually: Any
) -> None:
    path = f"/api/v1/{DEPLOYMENT}"
    async with asyncio.timeout(60), plane.envoy() as client:
        async with plane.neighbours(), plane.router():
            await eventually(lambda: answers(client, path))
            before = plane.envoy_certificate
            plane.renew(plane.authority)
            assert await answers(client, path)  # on the connection that is there
            assert plane.deployer.callers[-1] == before
        # Whoever connects now is taken by what is new alone.
        plane.renew(Authority("other"))
        async with plane.neighbours(), plane.router():
            await eventually(lambda: answers(client, path))
            assert plane.deployer.callers[-1] == plane.envoy_certificate
            async with open_channel(plane.address("router"), token, tls=plane.tls("envoy")) as channel:
                await eventually(lambda: follows(channel))


async def token() -> str:
    return make_token("admin")


async def follows(channel: grpc.aio.Channel) -> bool:
    """Whether the Envoy has a stream of the router's."""
    stub = data_plane_service_pb2_grpc.DataPlaneServiceStub(channel)
    status = await stub.GetDataPlaneStatus(data_plane_service_pb2.GetDataPlaneStatusRequest())
    return [node.id for node in status.nodes] == ["gateway"]


async def test_an_envoy_with_wrong_files_does_not_start(plane: Plane) -> None:
    mount(plane.directory / "envoy-tls", {"tls.key": b"nonsense"})
    async with asyncio.timeout(20):
        process = await plane.launch()
        _, told = await process.communicate()
    missing = plane.directory / "envoy-tls" / "tls.crt"
    assert process.returncode == 1
    assert told.decode() == f"envoy: tls_directory: {missing} cannot be read: No such file or directory\n"


HERE, FILE = "unix:/nowhere", Path("/nowhere")
DATABASE = DatabaseSettings(url="sqlite:////nowhere")
AUTH: dict[str, Any] = {"address": HERE, "tls_directory": "/nowhere/tls"}
MOST: dict[str, Any] = {**AUTH, "auth_address": HERE}
CALLER: dict[str, Any] = {**MOST, "registry_address": HERE, "deployer_address": HERE, "credential_file": FILE}
PORTAL = {name: value for name, value in CALLER.items() if name != "address"}
REGISTRY: dict[str, Any] = {"credential_file": FILE, "database": DATABASE, "artifacts_url": "/nowhere"}
SERVICES: dict[str, tuple[str, object]] = {
    "kea_auth": ("KEA_AUTH", AuthSettings(**AUTH, database=DATABASE, service_credentials_directory=FILE)),
    "kea_registry": (
        "KEA_REGISTRY",
        RegistrySettings(**MOST, **REGISTRY),
    ),
    "kea_deployer": (
        "KEA_DEPLOYER",
        DeployerSettings(
            **MOST,
            registry_address=HERE,
            database=DATABASE,
            credential_file=FILE,
            data_directory=FILE,
            socket_directory=FILE,
        ),
    ),
    "kea_deployer.operator": (
        "KEA_OPERATOR",
        OperatorSettings(**CALLER, router_address=HERE, data_directory=FILE, lease_namespace="nowhere"),
    ),
    "kea_router": (
        "KEA_ROUTER",
        RouterSettings(
            **CALLER, xds_address=HERE, portal_http_address=HERE, portal_grpc_address=HERE, database=DATABASE
        ),
    ),
    "kea_gateway": (
        "KEA_GATEWAY",
        GatewaySettings(**PORTAL, http_address=HERE, grpc_address=HERE, router_address=HERE),
    ),
}


@pytest.mark.parametrize("module", SERVICES)
async def test_a_service_with_wrong_files_ends_at_once_and_names_them(module: str) -> None:
    prefix, settings = SERVICES[module]
    async with asyncio.timeout(20):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            env={**os.environ, **to_environment(settings, prefix)},
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await process.communicate()
    assert process.returncode == 1
    problem = "tls_directory: /nowhere/tls/tls.crt cannot be read: No such file or directory"
    assert told.decode().splitlines()[-1] == f"kea_core.settings.SettingsError: {problem}"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (lambda: GatewaySettings(**PORTAL, http_address="0.0.0.0:80", grpc_address=HERE, router_address=HERE), "http"),
        (
            lambda: RouterSettings(
                **CALLER,
                xds_address=HERE,
                portal_http_address="0.0.0.0:80",
                portal_grpc_address=HERE,
                database=DATABASE,
            ),
            "portal_http",
        ),
    ],
)
def test_pages_go_by_a_socket_where_there_is_tls(settings: Callable[[], object], told: str) -> None:
    with pytest.raises(SettingsError, match=f"^{told}_address is 0.0.0.0:80; expected unix:PATH with tls_directory"):
        settings()
