"""The router, run whole beside small neighbours, and an Envoy that is none, for tests."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.rpc import status_pb2
from kea.deployer.v1 import deployment_pb2
from kea.router.v1 import data_plane_service_pb2_grpc, endpoint_service_pb2_grpc
from kea_core import status
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings
from kea_core.policy import Binding, Policy
from kea_core.settings import DrainSettings
from kea_core.testing.peers import FakeAuth, FakeDeployer, serve_auth, serve_deployer
from kea_core.testing.tokens import make_token
from kea_router.domain.deployment import Deployment, Replica
from kea_router.domain.endpoint import Endpoint, Target
from kea_router.main import run
from kea_router.settings import RouterSettings
from kea_router.translate.management_routes import Backends
from kea_router.xds.resource import CLUSTER, ENDPOINTS, EXTENSION, PUSH_ORDER, ROUTES, SCOPE
from prometheus_client import CollectorRegistry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
JWT_FILTER = "envoy.filters.http.jwt_authn"
REVOCATION_FILTER = "kea.filters.http.revocations"
PROJECT_CONCURRENCY_FILTER = "kea.filters.http.project_concurrency"
PROJECT_LIMITS_FILTER = "kea.filters.http.project_limits"
CONCURRENCY_FILTER = "kea.filters.http.concurrency"
EXTENSIONS = (JWT_FILTER, CONCURRENCY_FILTER, PROJECT_CONCURRENCY_FILTER, PROJECT_LIMITS_FILTER, REVOCATION_FILTER)
Request = discovery_pb2.DeltaDiscoveryRequest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what is translated, drop what is left over")


def deployment_name(short: str) -> str:
    return f"projects/default/deployments/{short}"


def endpoint_name(short: str) -> str:
    return f"projects/default/endpoints/{short}"


def make_endpoint(short: str = "iris", *, revision: int = 1, timeout_seconds: float = 0.0, **weights: int) -> Endpoint:
    """Returns an endpoint that leads to deployments by weight; `v1` alone where none is given."""
    return Endpoint(
        name=endpoint_name(short),
        targets=tuple(Target(deployment_name(name), weight) for name, weight in (weights or {"v1": 10_000}).items()),
        timeout_seconds=timeout_seconds,
        revision=revision,
        create_time=NOON,
        update_time=NOON,
    )


def make_deployment(
    short: str = "v1", *, version: int = 1, replicas: int = 1, template: str = "{}", changed: datetime = NOON
) -> Deployment:
    """Returns a deployment with a number of ready replicas."""
    found = (Replica(f"r{n}", f"unix:/run/{short}-{n}.http", f"unix:/run/{short}-{n}.grpc") for n in range(replicas))
    return Deployment(deployment_name(short), version_name(version), tuple(found), changed, pod_template=template)


def version_name(number: int) -> str:
    """Returns the resource name of a version of the model that all of them serve."""
    return f"projects/default/models/iris/versions/{number}"


def clusters_of(configuration: route_pb2.RouteConfiguration) -> set[str]:
    """Returns the names of all clusters that routes lead to."""
    actions = [route.route for host in configuration.virtual_hosts for route in host.routes if route.HasField("route")]
    weighted = {cluster.name for action in actions for cluster in action.weighted_clusters.clusters}
    return weighted | {action.cluster for action in actions if action.cluster}


def ready_replica(
    identifier: str = "r0", http_address: str | None = None, grpc_address: str | None = None
) -> deployment_pb2.Replica:
    """Returns a replica that answers, as the deployer tells of it."""
    return deployment_pb2.Replica(
        id=identifier,
        state=deployment_pb2.Replica.STATE_READY,
        http_address=f"unix:/run/{identifier}.http" if http_address is None else http_address,
        grpc_address=f"unix:/run/{identifier}.grpc" if grpc_address is None else grpc_address,
    )


@dataclass
class FakeEnvoy:
    """Asks for and answers what an Envoy would, and watches that nothing is ever taken from under it."""

    refuses: Callable[[str, str, bytes], bool] = lambda _type, _name, _body: False
    """Whether it refuses a resource: given type, name and body."""
    held: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=lambda: {name: {} for name in PUSH_ORDER})
    """Version and body of what it has taken, by type and name."""
    received: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Type and name of every resource it was sent, in order."""
    removed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    answered: list[str] = field(default_factory=list[str])
    """Type of every response it has acknowledged, in order."""
    _asked: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in (ENDPOINTS, ROUTES)})
    _absent: set[str] = field(default_factory=set[str])
    """Endpoints that are asked for and known not to be there."""
    _warming: discovery_pb2.DeltaDiscoveryRequest | None = None

    def hello(self) -> list[discovery_pb2.DeltaDiscoveryRequest]:
        """Returns the first requests on a new stream: with what is held from before."""
        self._warming = None
        requests = [
            self._first(CLUSTER, ()),
            self._first(EXTENSION, EXTENSIONS),
            self._first(SCOPE, ()),
            *(self._first(kind, self._asked[kind]) for kind in (ENDPOINTS, ROUTES) if self._asked[kind]),
        ]
        requests[0].node.CopyFrom(base_pb2.Node(id="fake"))
        return requests

    def take(self, response: discovery_pb2.DeltaDiscoveryResponse) -> list[discovery_pb2.DeltaDiscoveryRequest]:
        """Takes a response; returns the answers."""
        kind = response.type_url
        self.received += [(kind, resource.name) for resource in response.resources]
        bad = [r.name for r in response.resources if self.refuses(kind, r.name, r.resource.value)]
        if bad:
            problem = status_pb2.Status(code=3, message=f"bad: {', '.join(bad)}")
            return [Request(type_url=kind, response_nonce=response.nonce, error_detail=problem)]
        self.removed += [(kind, name) for name in response.removed_resources]
        for resource in response.resources:
            self.held[kind][resource.name] = (resource.version, resource.resource.value)
        for name in response.removed_resources:
            if self.held[kind].pop(name, None) and kind == ROUTES:
                assert name not in self.held[SCOPE], f"routes {name} were taken from under their scope"
            self._absent |= {name} if kind == ENDPOINTS else set()
        self.answered.append(kind)
        self.check()
        return self._after(Request(type_url=kind, response_nonce=response.nonce))

    def check(self) -> None:
        """Checks that no route leads to what is not there."""
        for name, (_, body) in self.held[ROUTES].items():
            missing = clusters_of(route_pb2.RouteConfiguration.FromString(body)) - self.held[CLUSTER].keys()
            assert not missing, f"routes {name} lead to {missing}"

    def _after(self, answer: discovery_pb2.DeltaDiscoveryRequest) -> list[discovery_pb2.DeltaDiscoveryRequest]:
        kind = answer.type_url
        if kind == CLUSTER:
            # An Envoy acknowledges clusters once they are warm: once it has their endpoints.
            wanted = {
                n for n, (_, body) in self.held[CLUSTER].items() if cluster_pb2.Cluster.FromString(body).type == 3
            }
            self._warming = answer
            return [*self._ask(ENDPOINTS, wanted), *self._warm()]
        if kind == SCOPE:
            bodies = [body for _, body in self.held[SCOPE].values()]
            scopes = map(scoped_route_pb2.ScopedRouteConfiguration.FromString, bodies)
            return [*self._ask(ROUTES, {scope.route_configuration_name for scope in scopes}), answer]
        return [answer, *(self._warm() if kind == ENDPOINTS else ())]

    def _warm(self) -> list[discovery_pb2.DeltaDiscoveryRequest]:
        found = self._warming
        if found is None or not self._asked[ENDPOINTS] <= self.held[ENDPOINTS].keys() | self._absent:
            return []
        self._warming = None
        return [found]

    def _ask(self, kind: str, wanted: set[str]) -> list[discovery_pb2.DeltaDiscoveryRequest]:
        before, self._asked[kind] = self._asked[kind], wanted
        for name in before - wanted:
            self.held[kind].pop(name, None)
            self._absent.discard(name)
        if before == wanted:
            return []
        more, less = sorted(wanted - before), sorted(before - wanted)
        return [Request(type_url=kind, resource_names_subscribe=more, resource_names_unsubscribe=less)]

    def _first(self, kind: str, names: Any) -> discovery_pb2.DeltaDiscoveryRequest:
        versions = {name: version for name, (version, _) in self.held[kind].items()}
        return Request(type_url=kind, initial_resource_versions=versions, resource_names_subscribe=sorted(names))

    async def follow(self, channel: grpc.aio.Channel, progress: Callable[[], None]) -> None:
        """Follows a router until the stream ends."""
        call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources(wait_for_ready=True)
        for request in self.hello():
            await call.write(request)
        async for response in call:
            for request in self.take(response):
                await call.write(request)
            progress()


@dataclass
class Router:
    """A running router and ways to call it."""

    settings: RouterSettings
    channel: grpc.aio.Channel
    deployer: FakeDeployer
    auth: FakeAuth
    metrics: CollectorRegistry

    @property
    def endpoints(self) -> endpoint_service_pb2_grpc.EndpointServiceStub:
        return endpoint_service_pb2_grpc.EndpointServiceStub(self.channel)

    @property
    def data_plane(self) -> data_plane_service_pb2_grpc.DataPlaneServiceStub:
        return data_plane_service_pb2_grpc.DataPlaneServiceStub(self.channel)

    @asynccontextmanager
    async def envoy(self, envoy: FakeEnvoy | None = None) -> AsyncGenerator[FollowingEnvoy, None]:
        """Has an Envoy follow this router."""
        following = FollowingEnvoy(envoy or FakeEnvoy())
        async with open_channel(self.settings.xds_address) as channel, asyncio.TaskGroup() as tasks:
            task = tasks.create_task(following.envoy.follow(channel, following.noticed))
            yield following
            task.cancel()


class FollowingEnvoy:
    """An Envoy on a stream; `until` waits for what it is sent to bring about."""

    def __init__(self, envoy: FakeEnvoy) -> None:
        self.envoy = envoy
        self._changed = asyncio.Event()

    def noticed(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[FakeEnvoy], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition(self.envoy):
                self._changed.clear()
                await self._changed.wait()


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """Returns code and reason of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = status.error_info(caught.value)
    assert info is not None, caught.value
    return caught.value.code(), info.reason


async def eventually(condition: Callable[[], Any]) -> Any:
    """Returns the first true value of an awaited `condition`; what a router derives raises no event for callers."""
    async with asyncio.timeout(20):
        while not (value := await condition()):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.002)
        return value


StartRouter = Callable[..., AbstractAsyncContextManager[Router]]


@pytest.fixture
def socket_directory() -> Generator[Path, None, None]:
    # Paths of unix sockets are short: pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="kea") as directory:
        yield Path(directory)


@pytest.fixture
def start_router(database: DatabaseSettings, socket_directory: Path) -> StartRouter:
    """Starts a router beside neighbours of its own; called again, another one on the same database."""
    count = 0

    @asynccontextmanager
    async def start(
        deployer: FakeDeployer | None = None, *, role: str = "admin", subject: str = "users/ada", wait: bool = True
    ) -> AsyncGenerator[Router, None]:
        nonlocal count
        count += 1
        secret = socket_directory / "secret"
        secret.write_text("s" * 40)
        sockets = {name: f"unix:{socket_directory}/{name}{count}" for name in ("router", "xds", "auth", "deployer")}
        settings = RouterSettings(
            address=sockets["router"],
            xds_address=sockets["xds"],
            auth_address=sockets["auth"],
            registry_address="unix:/run/registry",
            deployer_address=sockets["deployer"],
            portal_http_address="unix:/run/portal",
            portal_grpc_address="unix:/run/reflection",
            database=database,
            credential_file=secret,
            drain=DrainSettings(grace_seconds=0.1),
        )
        metrics, stop, ready = CollectorRegistry(), asyncio.Event(), asyncio.Event()

        async def tokens() -> str:
            return make_token(role, subject=subject)

        async with (
            asyncio.timeout(60),
            serve_auth(sockets["auth"]) as auth,
            serve_deployer(sockets["deployer"], deployer or FakeDeployer()) as served,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(run(settings, stop, ready.set, metrics=metrics))
            if wait:
                await ready.wait()
            try:
                async with open_channel(settings.address, tokens) as channel:
                    yield Router(settings, channel, served, auth, metrics)
            finally:
                stop.set()

    return start


@pytest.fixture(scope="session")
def helpers() -> Any:
    """What tests share; test folders are not packages, so they cannot import it."""
    return Helpers


class Helpers:
    """Functions and values shared by tests."""

    FakeEnvoy = FakeEnvoy
    FakeDeployer = FakeDeployer
    deployment_name = staticmethod(deployment_name)
    endpoint_name = staticmethod(endpoint_name)
    version_name = staticmethod(version_name)
    NOON = NOON
    make_endpoint = staticmethod(make_endpoint)
    make_deployment = staticmethod(make_deployment)
    ready_replica = staticmethod(ready_replica)
    refused = staticmethod(refused)
    eventually = staticmethod(eventually)
    POLICY = Policy(bindings={"bindings/1": Binding("groups/callers", "consumer", name="bindings/1")})
    BACKENDS = Backends(*(f"unix:/run/{name}" for name in ("auth", "registry", "deployer", "router", "http", "grpc")))
