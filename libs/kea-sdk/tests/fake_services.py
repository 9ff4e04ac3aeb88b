"""What stands behind the fake gateway: KEA's services, with a dictionary each."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, timestamp_pb2
from google.rpc import error_details_pb2, status_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import build_pb2, deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea.longrunning.v1 import operations_pb2_grpc
from kea.registry.v1 import (
    model_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    model_version_pb2,
    model_version_service_pb2,
    model_version_service_pb2_grpc,
)
from kea.router.v1 import (
    endpoint_pb2,
    endpoint_revision_pb2,
    endpoint_service_pb2,
    endpoint_service_pb2_grpc,
    limits_pb2,
    limits_service_pb2_grpc,
)
from kea_core.operations import Operation

Deployment = deployment_pb2.Deployment
Endpoint = endpoint_pb2.Endpoint


@dataclass
class World:
    """Everything there is, and what is to go wrong."""

    accepted: str = "good"
    models: dict[str, model_pb2.Model] = field(default_factory=dict[str, Any])
    versions: dict[str, model_version_pb2.ModelVersion] = field(default_factory=dict[str, Any])
    archives: dict[str, bytes] = field(default_factory=dict[str, bytes])
    deployments: dict[str, deployment_pb2.Deployment] = field(default_factory=dict[str, Any])
    endpoints: dict[str, endpoint_pb2.Endpoint] = field(default_factory=dict[str, Any])
    revisions: dict[str, list[endpoint_revision_pb2.EndpointRevision]] = field(default_factory=dict[str, Any])
    """What endpoints have served, oldest first."""
    builds: dict[str, build_pb2.Build] = field(default_factory=dict[str, Any])
    build_ends: int = build_pb2.Build.STATE_SUCCEEDED
    """How builds end; those that are RUNNING do not."""
    build_looks: int = 3
    """How often a build is looked at until it has ended."""
    image: str = "r.example/models/default/iris:1@sha256:" + "1" * 64
    """What builds make."""
    broken_streams: int = 0
    """How many logs of builds break off after their first line."""
    calls: list[str] = field(default_factory=list[str])
    """Methods called, in order."""
    broken: set[str] = field(default_factory=set[str])
    """Versions that do not come up."""
    slow: bool = False
    """Whether operations never end."""
    unavailable: dict[str, int] = field(default_factory=dict[str, int])
    """How many calls of a method fail before one works."""
    failing: dict[str, grpc.StatusCode] = field(default_factory=dict[str, grpc.StatusCode])
    """What every call of a method fails with."""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])
    """What is answered to HTTP calls of a path, whatever they ask."""
    limits: dict[str, limits_pb2.ProjectLimits] = field(default_factory=dict[str, Any])
    clock: int = 0
    request_ids: list[str] = field(default_factory=list[str])

    def now(self) -> timestamp_pb2.Timestamp:
        self.clock += 1
        return timestamp_pb2.Timestamp(seconds=1_700_000_000 + self.clock)

    def log(self, verb: str) -> list[str]:
        return [call for call in self.calls if call.startswith(verb)]


class Gate(grpc.aio.ServerInterceptor):
    """Knows the token, keeps the calls, and fails as told."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        method = handler_call_details.method.rpartition("/")[2]
        self._world.calls.append(method)
        handler = await continuation(handler_call_details)
        given = dict(handler_call_details.invocation_metadata).get("authorization")
        if given != f"Bearer {self._world.accepted}":
            return _refusing(handler, grpc.StatusCode.UNAUTHENTICATED, "the token is not accepted")
        if self._world.unavailable.get(method, 0) > 0:
            self._world.unavailable[method] -= 1
            return _refusing(handler, grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
        if method in self._world.failing:
            return _refusing(handler, self._world.failing[method], f"{method} is not for you")
        return handler


def _refusing(handler: Any, code: grpc.StatusCode, text: str) -> Any:
    async def unary(_request: Any, context: Any) -> Any:
        await context.abort(code, text)

    async def stream(_request: Any, context: Any) -> Any:
        await context.abort(code, text)
        yield None

    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(unary)
    return (
        grpc.unary_stream_rpc_method_handler(stream)
        if handler.response_streaming
        else (grpc.unary_unary_rpc_method_handler(unary))
    )


def status(code: grpc.StatusCode, text: str, reason: str, *violations: tuple[str, str]) -> status_pb2.Status:
    """Returns a status as KEA's services make them."""
    details = [any_pb2.Any()]
    details[0].Pack(error_details_pb2.ErrorInfo(reason=reason, domain="kea.dev", metadata={"what": "x"}))
    if violations:
        entries = [
            error_details_pb2.BadRequest.FieldViolation(field=name, description=line) for name, line in violations
        ]
        details.append(any_pb2.Any())
        details[1].Pack(error_details_pb2.BadRequest(field_violations=entries))
    return status_pb2.Status(code=code.value[0], message=text, details=details)


async def abort(context: Any, code: grpc.StatusCode, text: str, reason: str, *violations: tuple[str, str]) -> Any:
    made = status(code, text, reason, *violations)
    await context.abort(code, text, trailing_metadata=(("grpc-status-details-bin", made.SerializeToString()),))


class Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def ListModels(self, request: Any, context: Any) -> Any:
        names = sorted(name for name in self.world.models if name.startswith(f"{request.parent}/"))
        index = int(request.page_token or 0)  # one on a page: the client must turn pages
        token = str(index + 1) if index + 1 < len(names) else ""
        page = [self.world.models[name] for name in names[index : index + 1]]
        return model_service_pb2.ListModelsResponse(models=page, next_page_token=token)

    async def GetModel(self, request: Any, context: Any) -> Any:
        if request.name not in self.world.models:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such model", "MODEL_NOT_FOUND")
        return self.world.models[request.name]

    async def SetModelAlias(self, request: Any, context: Any) -> Any:
        if request.alias == "latest":
            violation = ("alias", "is reserved")
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "wrong alias", "ALIAS_RESERVED", violation)
        self.world.models[request.name].aliases[request.alias] = request.version
        return self.world.models[request.name]

    async def DeleteModel(self, request: Any, context: Any) -> Any:
        if not request.force:
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, "it has versions", "MODEL_HAS_VERSIONS")
        del self.world.models[request.name]
        return empty_pb2.Empty()


class Versions(model_version_service_pb2_grpc.ModelVersionServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def UploadModelVersion(self, request_iterator: AsyncIterator[Any], context: Any) -> Any:
        header, archive = None, b""
        async for message in request_iterator:
            if message.HasField("header"):
                header = message.header
            else:
                archive += message.chunk
        assert header is not None
        self.world.request_ids.append(header.request_id)
        assert hashlib.sha256(archive).hexdigest() == header.model_version.sha256
        model = self.world.models.setdefault(header.parent, model_pb2.Model(name=header.parent))
        model.latest_version += 1
        made = header.model_version
        made.name, made.number = f"{header.parent}/versions/{model.latest_version}", model.latest_version
        made.size_bytes, made.creator = len(archive), "users/admin"
        made.create_time.CopyFrom(self.world.now())
        self.world.versions[made.name] = made
        self.world.archives[made.name] = archive
        return made

    async def GetModelVersion(self, request: Any, context: Any) -> Any:
        model, _, number = request.name.rpartition("/versions/")
        if number == "latest" and model in self.world.models:
            number = str(self.world.models[model].latest_version)
        elif model in self.world.models and number in self.world.models[model].aliases:
            number = str(self.world.models[model].aliases[number])
        found = self.world.versions.get(f"{model}/versions/{number}")
        if found is None:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such version", "MODEL_VERSION_NOT_FOUND")
        return found

    async def ListModelVersions(self, request: Any, context: Any) -> Any:
        found = [entry for name, entry in self.world.versions.items() if name.startswith(f"{request.parent}/")]
        return model_version_service_pb2.ListModelVersionsResponse(model_versions=reversed(found))


class Deployments(deployment_service_pb2_grpc.DeploymentServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def CreateDeployment(self, request: Any, context: Any) -> Any:
        made = request.deployment
        made.name = f"{request.parent}/deployments/{request.deployment_id}"
        made.state = Deployment.STATE_CREATING
        made.create_time.CopyFrom(self.world.now())
        made.etag = "1"
        self.world.deployments[made.name] = made
        return self._operation(made.name, "laying out the environment")

    async def UpdateDeployment(self, request: Any, context: Any) -> Any:
        found = self.world.deployments[request.deployment.name]
        for path in request.update_mask.paths:
            found.ClearField(path)
            if path != "replica_count":
                getattr(found, path).CopyFrom(getattr(request.deployment, path))
            elif request.deployment.HasField(path):
                found.replica_count = request.deployment.replica_count
        return self._operation(request.deployment.name, "starting replicas")

    async def DeleteDeployment(self, request: Any, context: Any) -> Any:
        if request.name not in self.world.deployments:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such deployment", "DEPLOYMENT_NOT_FOUND")
        self.world.calls.append(f"deleted {request.name.rpartition('/')[2]}")
        del self.world.deployments[request.name]
        return self._operation(request.name, "draining")

    async def GetDeployment(self, request: Any, context: Any) -> Any:
        if request.name not in self.world.deployments:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such deployment", "DEPLOYMENT_NOT_FOUND")
        return self.world.deployments[request.name]

    async def ListDeployments(self, request: Any, context: Any) -> Any:
        return deployment_service_pb2.ListDeploymentsResponse(deployments=self.world.deployments.values())

    async def StreamDeploymentLogs(self, request: Any, context: Any) -> Any:
        if request.name not in self.world.deployments:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such deployment", "DEPLOYMENT_NOT_FOUND")
        for line in ("Traceback", "ValueError: broken"):
            entry = deployment_pb2.LogEntry(time=self.world.now(), replica="a", text=line)
            yield deployment_service_pb2.StreamDeploymentLogsResponse(entries=[entry])

    def _operation(self, name: str, step: str) -> Operation:
        made = Operation(name=f"operations/{name}")
        made.metadata.Pack(deployment_pb2.DeploymentOperationMetadata(deployment=name, step=step))
        return made


class Operations(operations_pb2_grpc.OperationsServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def WaitOperation(self, request: Any, context: Any) -> Any:
        made = Operation(name=request.name)
        if self.world.slow:
            return made
        made.done = True
        found = self.world.deployments.get(request.name.removeprefix("operations/"))
        if found is not None and found.model_version in self.world.broken:
            found.state = Deployment.STATE_FAILED
            made.error.CopyFrom(status(grpc.StatusCode.FAILED_PRECONDITION, "ValueError: broken", "MODEL_LOAD_FAILED"))
        elif found is not None:
            found.state = Deployment.STATE_ACTIVE
            made.response.Pack(found)
        return made


class Endpoints(endpoint_service_pb2_grpc.EndpointServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def CreateEndpoint(self, request: Any, context: Any) -> Any:
        made = request.endpoint
        made.name = f"{request.parent}/endpoints/{request.endpoint_id}"
        return self._publish(made)

    async def UpdateEndpoint(self, request: Any, context: Any) -> Any:
        found = self.world.endpoints[request.endpoint.name]
        if request.endpoint.etag not in {"", found.etag}:
            await abort(context, grpc.StatusCode.ABORTED, "it has changed", "ETAG_MISMATCH")
        if request.validate_only:
            return found
        made = Endpoint()
        made.CopyFrom(found)
        if "targets" in request.update_mask.paths:
            names = [target.deployment for target in request.endpoint.targets]
            self.world.calls.append(f"aimed at {', '.join(name.rpartition('/')[2] for name in names)}")
        for path in request.update_mask.paths:
            made.ClearField(path)
        request.endpoint.ClearField("etag")
        made.MergeFrom(request.endpoint)
        return self._publish(made)

    async def ListEndpointRevisions(self, request: Any, context: Any) -> Any:
        found = self.world.revisions.get(request.parent)
        if found is None:
            return await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such endpoint", "ENDPOINT_NOT_FOUND")
        return endpoint_service_pb2.ListEndpointRevisionsResponse(endpoint_revisions=reversed(found))

    async def GetEndpoint(self, request: Any, context: Any) -> Any:
        found = self.world.endpoints.get(request.name)
        if found is None:
            return await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such endpoint", "ENDPOINT_NOT_FOUND")
        seen = Endpoint()
        seen.CopyFrom(found)
        found.state, found.reconciling = Endpoint.STATE_ACTIVE, False  # taken by the gateway soon after
        return seen

    async def ListEndpoints(self, request: Any, context: Any) -> Any:
        return endpoint_service_pb2.ListEndpointsResponse(endpoints=self.world.endpoints.values())

    async def DeleteEndpoint(self, request: Any, context: Any) -> Any:
        del self.world.endpoints[request.name]
        self.world.revisions.pop(request.name, None)
        return empty_pb2.Empty()

    def _publish(self, made: endpoint_pb2.Endpoint) -> endpoint_pb2.Endpoint:
        made.state, made.reconciling = Endpoint.STATE_UNAVAILABLE, True
        made.etag = str(self.world.now().seconds)
        condition = condition_pb2.Condition(
            type="Published", status=condition_pb2.Condition.STATUS_FALSE, reason="SOON"
        )
        made.conditions.append(condition)
        self.world.endpoints[made.name] = made
        self._keep(made)
        return made

    def _keep(self, made: endpoint_pb2.Endpoint) -> None:
        """Keeps what it serves, as the router does."""
        kept = self.world.revisions.setdefault(made.name, [])
        revision = endpoint_revision_pb2.EndpointRevision(number=len(kept) + 1, create_time=self.world.now())
        for target in made.targets:
            found = self.world.deployments[target.deployment]
            revision.targets.add(
                deployment=target.deployment,
                weight=target.weight,
                model_version=found.model_version,
                pod_template=found.pod_template,
                prebuilt_image=f"{found.prebuilt_image}@sha256:1" if found.prebuilt_image else "",
            )
        if not kept or kept[-1].targets != revision.targets:
            kept.append(revision)


class Limits(limits_service_pb2_grpc.LimitsServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def GetProjectLimits(self, request: Any, context: Any) -> Any:
        return self.world.limits.get(request.name, limits_pb2.ProjectLimits(name=request.name, etag="0"))

    async def UpdateProjectLimits(self, request: Any, context: Any) -> Any:
        assert list(request.update_mask.paths) == ["total", "max_concurrent_requests"]
        made = request.project_limits
        made.etag = str(self.world.now().seconds)
        made.update_time.CopyFrom(self.world.now())
        self.world.limits[made.name] = made
        return made


def make_server(world: World) -> grpc.aio.Server:
    """Returns a server with all services but those that builds and auth have files of their own for."""
    server = grpc.aio.server(interceptors=[Gate(world)])
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(world), server)
    model_version_service_pb2_grpc.add_ModelVersionServiceServicer_to_server(Versions(world), server)
    deployment_service_pb2_grpc.add_DeploymentServiceServicer_to_server(Deployments(world), server)
    endpoint_service_pb2_grpc.add_EndpointServiceServicer_to_server(Endpoints(world), server)
    limits_service_pb2_grpc.add_LimitsServiceServicer_to_server(Limits(world), server)
    operations_pb2_grpc.add_OperationsServicer_to_server(Operations(world), server)
    return server
