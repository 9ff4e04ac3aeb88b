"""All of KEA's services that the operator calls, run whole in this process, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from kea.deployer.v1 import deployment_service_pb2, deployment_service_pb2_grpc
from kea.registry.v1 import model_service_pb2_grpc, model_version_service_pb2, model_version_service_pb2_grpc
from kea.router.v1 import endpoint_service_pb2, endpoint_service_pb2_grpc
from kea_auth.main import run as run_auth
from kea_auth.settings import AuthSettings
from kea_core.client import open_channel
from kea_core.settings import DrainSettings
from kea_core.testing.databases import database_settings
from kea_deployer.main import run as run_deployer
from kea_deployer.settings import DeployerSettings
from kea_registry.main import run as run_registry
from kea_registry.settings import RegistrySettings
from kea_router.main import run as run_router
from kea_router.settings import RouterSettings
from prometheus_client import CollectorRegistry

QUICK = DrainSettings(grace_seconds=0.1)
TYPES = "type.googleapis.com/envoy.config."
CLUSTER, SCOPE = f"{TYPES}cluster.v3.Cluster", f"{TYPES}route.v3.ScopedRouteConfiguration"
ENDPOINTS = f"{TYPES}endpoint.v3.ClusterLoadAssignment"
ROUTES = f"{TYPES}route.v3.RouteConfiguration"
EXTENSION = f"{TYPES}core.v3.TypedExtensionConfig"
# xds-protos has no stubs: its modules seem to be empty.
_DISCOVERY: Any = discovery_pb2
_CLUSTERS: Any = cluster_pb2
_SCOPES: Any = scoped_route_pb2
Request = _DISCOVERY.DeltaDiscoveryRequest


async def acknowledge(address: str) -> None:
    """Takes whatever a router publishes, as an Envoy does that has no traffic."""
    async with open_channel(address) as channel:
        call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources(wait_for_ready=True)
        await call.write(Request(type_url=CLUSTER))
        await call.write(Request(type_url=EXTENSION, resource_names_subscribe=["envoy.filters.http.jwt_authn"]))
        await call.write(Request(type_url=SCOPE))
        async for response in call:
            await call.write(Request(type_url=response.type_url, response_nonce=response.nonce))
            bodies = [resource.resource.value for resource in response.resources]
            if response.type_url == CLUSTER:
                found = [_CLUSTERS.Cluster.FromString(body) for body in bodies]
                wanted = [cluster.name for cluster in found if cluster.type == _CLUSTERS.Cluster.EDS]
                await call.write(Request(type_url=ENDPOINTS, resource_names_subscribe=wanted))
            elif response.type_url == SCOPE:
                scopes = [_SCOPES.ScopedRouteConfiguration.FromString(body) for body in bodies]
                names = [scope.route_configuration_name for scope in scopes]
                await call.write(Request(type_url=ROUTES, resource_names_subscribe=names))


@dataclass
class Platform:
    """KEA's services, and ways to call them as the admin."""

    directory: Path
    sockets: dict[str, str]
    channels: dict[str, grpc.aio.Channel]

    @property
    def models(self) -> model_service_pb2_grpc.ModelServiceStub:
        return model_service_pb2_grpc.ModelServiceStub(self.channels["registry"])

    @property
    def versions(self) -> model_version_service_pb2_grpc.ModelVersionServiceStub:
        return model_version_service_pb2_grpc.ModelVersionServiceStub(self.channels["registry"])

    @property
    def endpoints(self) -> endpoint_service_pb2_grpc.EndpointServiceStub:
        return endpoint_service_pb2_grpc.EndpointServiceStub(self.channels["router"])

    async def version(self, model: str, number: str = "latest") -> Any:
        name = f"projects/default/models/{model}/versions/{number}"
        return await self.versions.GetModelVersion(model_version_service_pb2.GetModelVersionRequest(name=name))

    async def deployments(self) -> list[Any]:
        stub = deployment_service_pb2_grpc.DeploymentServiceStub(self.channels["deployer"])
        request = deployment_service_pb2.ListDeploymentsRequest(parent="projects/default")
        return list((await stub.ListDeployments(request)).deployments)

    async def endpoint(self, name: str) -> Any:
        request = endpoint_service_pb2.GetEndpointRequest(name=f"projects/default/endpoints/{name}")
        return await self.endpoints.GetEndpoint(request)


@asynccontextmanager
async def running(run: Any, settings: Any, **more: Any) -> AsyncGenerator[None]:
    """Runs a service until the end of the block."""
    stop, ready = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(settings, stop, ready.set, metrics=CollectorRegistry(), **more))
        async with asyncio.timeout(60):
            await ready.wait()
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def open_platform(
    tmp_path: Path, socket_directory: Path, shared_directory: Path, **deployer_changes: Any
) -> AsyncGenerator[Platform, None]:
    """Runs auth, registry, deployer and router, with real model servers, and what acknowledges like an Envoy.

    Args:
        tmp_path: for what they keep.
        socket_directory: where they listen.
        shared_directory: environments, layers and images of the whole run.
        **deployer_changes: settings of the deployer that are other than here.
    """
    credentials, data = tmp_path / "credentials", tmp_path / "data"
    credentials.mkdir()
    data.mkdir()
    for name in ("environments", "layers", "images"):
        (data / name).symlink_to(shared_directory / name)
    for account in ("deployer", "operator", "registry", "router"):
        file = credentials / account
        file.touch(mode=0o600)
        file.write_text(account * 8)
    names = ("auth", "registry", "deployer", "router", "xds")
    sockets = {name: f"unix:{socket_directory}/{name}" for name in names}
    databases: dict[str, Any] = {}
    for name in names[:4]:
        (tmp_path / name).mkdir()
        databases[name] = database_settings("sqlite", tmp_path / name, None)
    auth = AuthSettings(
        address=sockets["auth"],
        database=databases["auth"],
        service_credentials_directory=credentials,
        bootstrap_token_file=str(tmp_path / "admin.token"),
        activation_delay_seconds=0.0,
        drain=QUICK,
    )
    registry = RegistrySettings(
        address=sockets["registry"],
        auth_address=sockets["auth"],
        credential_file=credentials / "registry",
        database=databases["registry"],
        artifacts_url=str(tmp_path / "artifacts"),
        drain=QUICK,
    )
    deployer = DeployerSettings(
        address=sockets["deployer"],
        auth_address=sockets["auth"],
        registry_address=sockets["registry"],
        database=databases["deployer"],
        credential_file=credentials / "deployer",
        data_directory=data,
        socket_directory=socket_directory / "r",
        health_interval_seconds=0.1,
        drain_seconds=2.0,
        drain_delay_seconds=0.05,
        drain=QUICK,
    )
    deployer = replace(deployer, **deployer_changes)
    router = RouterSettings(
        address=sockets["router"],
        xds_address=sockets["xds"],
        auth_address=sockets["auth"],
        registry_address=sockets["registry"],
        deployer_address=sockets["deployer"],
        portal_http_address="unix:/run/portal",
        portal_grpc_address="unix:/run/reflection",
        database=databases["router"],
        credential_file=credentials / "router",
        drain=QUICK,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(run_auth, auth))
        await stack.enter_async_context(running(run_registry, registry))
        await stack.enter_async_context(running(run_deployer, deployer))
        await stack.enter_async_context(running(run_router, router))
        token = (tmp_path / "admin.token").read_text().strip()

        async def tokens() -> str:
            return token

        channels = {
            name: await stack.enter_async_context(open_channel(sockets[name], tokens))
            for name in ("registry", "deployer", "router")
        }
        group = await stack.enter_async_context(asyncio.TaskGroup())
        envoy = group.create_task(acknowledge(sockets["xds"]))
        stack.callback(envoy.cancel)
        try:
            yield Platform(tmp_path, sockets, channels)
        finally:
            envoy.cancel()
