"""The catalog over gRPC: endpoints from the router, deployments from the deployer, signatures from the registry."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import grpc
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea.registry.v1 import model_version_pb2, model_version_service_pb2, model_version_service_pb2_grpc
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, endpoint_service_pb2_grpc
from kea_openapi.convert import from_proto
from kea_openapi.limits_text import limits_text
from kea_openapi.signature import SignatureError

from kea_gateway.portal.catalog import CatalogUnavailableError, ServedModel, ServedTarget
from kea_gateway.portal.memory import Memory

_TIMEOUT_SECONDS = 8.0
_FRESH_SECONDS = 1.0
"""How long routes and deployments are taken as they were: a page asks many times, a change should show at once."""

_PAGE_SIZE = 1000
_MAX_PAGES = 20
_CONCURRENT_CALLS = 16
_FRAMEWORK = "FRAMEWORK_"
_STATE = "STATE_"


class GrpcCatalog:
    """Asks the three services, each call with a time-out; what cannot be asked again is answered from memory.

    Args:
        router: channel to the router, with credentials.
        deployer: channel to the deployer, with credentials.
        registry: channel to the registry, with credentials.
    """

    def __init__(self, *, router: grpc.aio.Channel, deployer: grpc.aio.Channel, registry: grpc.aio.Channel) -> None:
        self._endpoints = endpoint_service_pb2_grpc.EndpointServiceStub(router)
        self._deployments = deployment_service_pb2_grpc.DeploymentServiceStub(deployer)
        self._versions = model_version_service_pb2_grpc.ModelVersionServiceStub(registry)
        self._endpoint_memory: Memory[endpoint_pb2.Endpoint] = Memory(_FRESH_SECONDS)
        self._list_memory: Memory[list[endpoint_pb2.Endpoint]] = Memory(_FRESH_SECONDS, 64)
        self._deployment_memory: Memory[deployment_pb2.Deployment] = Memory(_FRESH_SECONDS)
        # A version never changes and its number is never used again, so it is asked for once.
        self._version_memory: Memory[model_version_pb2.ModelVersion] = Memory(math.inf)
        self._slots = asyncio.Semaphore(_CONCURRENT_CALLS)

    async def list_models(self, project: str) -> list[ServedModel]:
        """Returns a project's models by name."""

        async def ask() -> list[endpoint_pb2.Endpoint]:
            return await self._list_endpoints(project)

        endpoints = await self._list_memory.get(f"projects/{project}", ask) or []
        return list(await asyncio.gather(*(self._served(project, endpoint) for endpoint in endpoints)))

    async def get_model(self, project: str, name: str) -> ServedModel | None:
        """Returns one model."""
        full = f"projects/{project}/endpoints/{name}"

        async def ask() -> endpoint_pb2.Endpoint:
            request = endpoint_service_pb2.GetEndpointRequest(name=full)
            return await self._endpoints.GetEndpoint(request, timeout=_TIMEOUT_SECONDS)

        endpoint = await self._endpoint_memory.get(full, ask)
        return None if endpoint is None else await self._served(project, endpoint)

    async def _list_endpoints(self, project: str) -> list[endpoint_pb2.Endpoint]:
        found: list[endpoint_pb2.Endpoint] = []
        token = ""
        for _ in range(_MAX_PAGES):
            request = endpoint_service_pb2.ListEndpointsRequest(
                parent=f"projects/{project}", page_size=_PAGE_SIZE, page_token=token
            )
            page = await self._endpoints.ListEndpoints(request, timeout=_TIMEOUT_SECONDS)
            found.extend(page.endpoints)
            token = page.next_page_token
            if not token:
                break
        return found

    async def _served(self, project: str, endpoint: endpoint_pb2.Endpoint) -> ServedModel:
        versions = {target.deployment: await self._version_of(target.deployment) for target in endpoint.targets}
        chosen = max(endpoint.targets, key=lambda target: target.weight, default=None)
        version = versions[chosen.deployment] if chosen is not None else None
        signature = None
        if version is not None and version.HasField("signature"):
            try:
                signature = from_proto(version.signature)
            except SignatureError:  # the registry refuses such; an older one's version is shown without its methods
                signature = None
        return ServedModel(
            project=project,
            name=_last(endpoint.name),
            state=endpoint_pb2.Endpoint.State.Name(endpoint.state).removeprefix(_STATE),
            version=version.number if version is not None else 0,
            framework=_framework(version),
            description=version.description if version is not None else "",
            signature=signature,
            targets=tuple(_target(target, versions) for target in endpoint.targets),
            limits=limits_text(endpoint.limits),
        )

    async def _version_of(self, deployment: str) -> model_version_pb2.ModelVersion | None:
        """Returns the version a deployment serves, or None where that is not known now."""

        async def ask_deployer() -> deployment_pb2.Deployment:
            request = deployment_service_pb2.GetDeploymentRequest(name=deployment)
            return await self._deployments.GetDeployment(request, timeout=_TIMEOUT_SECONDS)

        async with self._slots:
            try:
                found = await self._deployment_memory.get(deployment, ask_deployer)
                if found is None:
                    return None
                name = found.model_version

                async def ask_registry() -> model_version_pb2.ModelVersion:
                    request = model_version_service_pb2.GetModelVersionRequest(name=name)
                    return await self._versions.GetModelVersion(request, timeout=_TIMEOUT_SECONDS)

                return await self._version_memory.get(name, ask_registry)
            except CatalogUnavailableError:  # the model is listed all the same: it may well be serving
                return None


def _target(target: endpoint_pb2.Target, versions: Mapping[str, model_version_pb2.ModelVersion | None]) -> ServedTarget:
    version = versions[target.deployment]
    return ServedTarget(_last(target.deployment), version.number if version is not None else 0, target.weight)


def _framework(version: model_version_pb2.ModelVersion | None) -> str:
    if version is None:
        return ""
    return model_version_pb2.Framework.Name(version.framework).removeprefix(_FRAMEWORK).lower()


def _last(name: str) -> str:
    return name.rpartition("/")[2]
