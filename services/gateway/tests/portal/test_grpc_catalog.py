from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea.registry.v1 import model_version_pb2, model_version_service_pb2, model_version_service_pb2_grpc
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, endpoint_service_pb2_grpc, limits_pb2
from kea_gateway.portal import grpc_catalog
from kea_gateway.portal.catalog import CatalogUnavailableError, ServedTarget
from kea_gateway.portal.grpc_catalog import GrpcCatalog
from kea_openapi.convert import to_proto
from portal_models import IRIS

PROJECT = "projects/default"


@dataclass
class World:
    """What the three services know, and which of them are away."""

    endpoints: list[endpoint_pb2.Endpoint] = field(default_factory=list[endpoint_pb2.Endpoint])
    deployments: dict[str, str] = field(default_factory=dict[str, str])
    versions: dict[str, model_version_pb2.ModelVersion] = field(
        default_factory=dict[str, model_version_pb2.ModelVersion]
    )
    away: set[str] = field(default_factory=set[str])
    calls: list[str] = field(default_factory=list[str])

    async def arrive(self, service: str, name: str, context: Any) -> None:
        self.calls.append(name)
        if service in self.away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"{service} is away")


class Endpoints(endpoint_service_pb2_grpc.EndpointServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    async def GetEndpoint(self, request: endpoint_service_pb2.GetEndpointRequest, context: Any) -> Any:  # noqa: N802 - as in the proto
        await self._world.arrive("router", request.name, context)
        for endpoint in self._world.endpoints:
            if endpoint.name == request.name:
                return endpoint
        return await context.abort(grpc.StatusCode.NOT_FOUND, "no such endpoint")

    async def ListEndpoints(self, request: endpoint_service_pb2.ListEndpointsRequest, context: Any) -> Any:  # noqa: N802 - as in the proto
        await self._world.arrive("router", request.parent, context)
        start = int(request.page_token or 0)
        more = str(start + 1) if start + 1 < len(self._world.endpoints) else ""
        page = self._world.endpoints[start : start + 1]
        return endpoint_service_pb2.ListEndpointsResponse(endpoints=page, next_page_token=more)


class Deployments(deployment_service_pb2_grpc.DeploymentServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    async def GetDeployment(self, request: deployment_service_pb2.GetDeploymentRequest, context: Any) -> Any:  # noqa: N802 - as in the proto
        await self._world.arrive("deployer", request.name, context)
        if request.name not in self._world.deployments:
            return await context.abort(grpc.StatusCode.NOT_FOUND, "no such deployment")
        return deployment_pb2.Deployment(name=request.name, model_version=self._world.deployments[request.name])


class Versions(model_version_service_pb2_grpc.ModelVersionServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    async def GetModelVersion(self, request: model_version_service_pb2.GetModelVersionRequest, context: Any) -> Any:  # noqa: N802 - as in the proto
        await self._world.arrive("registry", request.name, context)
        return self._world.versions[request.name]


def version(number: int) -> model_version_pb2.ModelVersion:
    assert IRIS.signature is not None
    return model_version_pb2.ModelVersion(
        name=f"{PROJECT}/models/iris/versions/{number}",
        number=number,
        framework=model_version_pb2.FRAMEWORK_SKLEARN,
        description="Tells species.",
        signature=to_proto(IRIS.signature),
    )


@pytest.fixture
def world() -> World:
    targets = [
        endpoint_pb2.Target(deployment=f"{PROJECT}/deployments/iris-1", weight=1000),
        endpoint_pb2.Target(deployment=f"{PROJECT}/deployments/iris-2", weight=9000),
    ]
    iris = endpoint_pb2.Endpoint(
        name=f"{PROJECT}/endpoints/iris",
        state=endpoint_pb2.Endpoint.STATE_ACTIVE,
        targets=targets,
        limits=limits_pb2.Limits(max_concurrent_requests=4),
    )
    lost = endpoint_pb2.Endpoint(
        name=f"{PROJECT}/endpoints/lost",
        state=endpoint_pb2.Endpoint.STATE_UNAVAILABLE,
        targets=[endpoint_pb2.Target(deployment=f"{PROJECT}/deployments/lost", weight=10000)],
    )
    made = [version(1), version(2)]
    return World(
        endpoints=[iris, lost],
        deployments={f"{PROJECT}/deployments/iris-{entry.number}": entry.name for entry in made},
        versions={entry.name: entry for entry in made},
    )


@pytest.fixture
async def catalog(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[GrpcCatalog, None]:
    monkeypatch.setattr(grpc_catalog, "_FRESH_SECONDS", 0.0)
    server = grpc.aio.server()
    endpoint_service_pb2_grpc.add_EndpointServiceServicer_to_server(Endpoints(world), server)
    deployment_service_pb2_grpc.add_DeploymentServiceServicer_to_server(Deployments(world), server)
    model_version_service_pb2_grpc.add_ModelVersionServiceServicer_to_server(Versions(world), server)
    address = f"unix:{tmp_path}/kea.sock"
    server.add_insecure_port(address)
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield GrpcCatalog(router=channel, deployer=channel, registry=channel)
    await server.stop(None)


async def test_the_target_with_most_weight_tells_the_version(catalog: GrpcCatalog) -> None:
    model = await catalog.get_model("default", "iris")
    assert model is not None
    assert (model.version, model.framework, model.state, model.description) == (
        2,
        "sklearn",
        "ACTIVE",
        "Tells species.",
    )
    assert model.signature == IRIS.signature
    assert model.targets == (ServedTarget("iris-1", 1, 1000), ServedTarget("iris-2", 2, 9000))
    assert model.limits == ("4 in progress at once",)


async def test_all_pages_of_endpoints_are_read(catalog: GrpcCatalog) -> None:
    assert [model.name for model in await catalog.list_models("default")] == ["iris", "lost"]


async def test_an_unknown_endpoint_is_none(catalog: GrpcCatalog) -> None:
    assert await catalog.get_model("default", "none") is None


async def test_a_missing_deployment_leaves_the_signature_unknown(catalog: GrpcCatalog) -> None:
    model = await catalog.get_model("default", "lost")
    assert model is not None
    assert (model.signature, model.version, model.targets[0].version) == (None, 0, 0)


@pytest.mark.parametrize("away", [{"deployer"}, {"registry"}, {"router"}, {"deployer", "registry", "router"}])
async def test_the_last_known_answer_stands_while_services_are_away(
    catalog: GrpcCatalog, world: World, away: set[str]
) -> None:
    before = await catalog.get_model("default", "iris")
    listed = await catalog.list_models("default")
    world.away = away
    assert await catalog.get_model("default", "iris") == before
    assert await catalog.list_models("default") == listed


async def test_a_model_is_listed_though_its_deployment_was_never_known(catalog: GrpcCatalog, world: World) -> None:
    world.away = {"deployer"}
    assert [model.signature for model in await catalog.list_models("default")] == [None, None]


async def test_what_was_never_known_is_unavailable(catalog: GrpcCatalog, world: World) -> None:
    world.away = {"router"}
    with pytest.raises(CatalogUnavailableError, match="router is away"):
        await catalog.list_models("default")


async def test_a_version_is_asked_for_once(catalog: GrpcCatalog, world: World) -> None:
    for _ in range(3):
        await catalog.get_model("default", "iris")
    assert sum("/versions/2" in name for name in world.calls) == 1
    assert sum("/deployments/iris-2" in name for name in world.calls) == 3
