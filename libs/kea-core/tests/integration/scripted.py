"""A server with all interceptors whose methods do what a test says, and a log that can be awaited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from kea.deployer.v1 import deployment_service_pb2, deployment_service_pb2_grpc
from kea.registry.v1 import model_pb2, model_service_pb2, model_service_pb2_grpc
from kea_core.client import open_channel
from kea_core.server import ServedService, serve
from kea_core.settings import DrainSettings
from kea_core.testing.tokens import known_authority, make_token
from prometheus_client import CollectorRegistry

NAME = "projects/p/models/m"
GET_MODEL = "/kea.registry.v1.ModelService/GetModel"
STREAM_LOGS = "/kea.deployer.v1.DeploymentService/StreamDeploymentLogs"

Unary = Callable[[model_service_pb2.GetModelRequest, Any], Awaitable[model_pb2.Model]]
Stream = Callable[
    [deployment_service_pb2.StreamDeploymentLogsRequest, Any],
    AsyncGenerator[deployment_service_pb2.StreamDeploymentLogsResponse, None],
]


async def answer(request: model_service_pb2.GetModelRequest, context: Any) -> model_pb2.Model:
    del context
    return model_pb2.Model(name=request.name)


async def three_lines(
    request: deployment_service_pb2.StreamDeploymentLogsRequest, context: Any
) -> AsyncGenerator[deployment_service_pb2.StreamDeploymentLogsResponse, None]:
    del request, context
    for _ in range(3):
        yield deployment_service_pb2.StreamDeploymentLogsResponse()


def raising(error: Exception) -> Unary:
    async def fail(request: model_service_pb2.GetModelRequest, context: Any) -> model_pb2.Model:
        del request, context
        raise error

    return fail


@dataclass
class Served:
    """A running server and an admin's stubs."""

    address: str
    models: model_service_pb2_grpc.ModelServiceStub
    deployments: deployment_service_pb2_grpc.DeploymentServiceStub
    metrics: CollectorRegistry

    async def get(self, name: str = NAME, **arguments: Any) -> model_pb2.Model:
        return await self.models.GetModel(model_service_pb2.GetModelRequest(name=name), **arguments)

    def logs(self) -> Any:
        request = deployment_service_pb2.StreamDeploymentLogsRequest(name="projects/p/deployments/d")
        return self.deployments.StreamDeploymentLogs(request)

    def calls(self, method: str) -> dict[str, float]:
        """Returns how many calls of a method ended, by code."""
        samples = [sample for metric in self.metrics.collect() for sample in metric.samples]
        return {
            sample.labels["code"]: sample.value
            for sample in samples
            if sample.name == "grpc_server_handled_total" and sample.labels["method"] == method
        }


@asynccontextmanager
async def served(address: str, unary: Unary = answer, stream: Stream = three_lines) -> AsyncGenerator[Served, None]:
    class Models(model_service_pb2_grpc.ModelServiceServicer):
        async def GetModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: N802 - the proto's name
            return await unary(request, context)

    class Deployments(deployment_service_pb2_grpc.DeploymentServiceServicer):
        async def StreamDeploymentLogs(  # noqa: N802
            self, request: Any, context: Any
        ) -> AsyncGenerator[deployment_service_pb2.StreamDeploymentLogsResponse, None]:
            async with aclosing(stream(request, context)) as messages:
                async for message in messages:
                    yield message

    async def token() -> str:
        return make_token("admin")

    metrics = CollectorRegistry()
    services = [
        ServedService(
            "kea.registry.v1.ModelService",
            lambda server: model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(), server),
        ),
        ServedService(
            "kea.deployer.v1.DeploymentService",
            lambda server: deployment_service_pb2_grpc.add_DeploymentServiceServicer_to_server(Deployments(), server),
        ),
    ]
    drain = DrainSettings(grace_seconds=1)
    async with (
        serve(address, services, authority=known_authority(), metrics=metrics, drain=drain),
        open_channel(address, token) as channel,
    ):
        yield Served(
            address,
            model_service_pb2_grpc.ModelServiceStub(channel),
            deployment_service_pb2_grpc.DeploymentServiceStub(channel),
            metrics,
        )


@dataclass
class Lines(logging.Handler):
    """Log records, as they come."""

    records: list[logging.LogRecord] = field(default_factory=list[logging.LogRecord])

    def __post_init__(self) -> None:
        super().__init__(logging.INFO)
        self._came: asyncio.Queue[logging.LogRecord] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self._came.put_nowait(record)

    async def next(self) -> Any:
        async with asyncio.timeout(5):
            return await self._came.get()

    __hash__ = logging.Handler.__hash__


@contextmanager
def lines_of(logger: str) -> Generator[Lines, None, None]:
    """Collects what a logger is told."""
    lines, to = Lines(), logging.getLogger(logger)
    before = to.level
    to.addHandler(lines)
    to.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        to.removeHandler(lines)
        to.setLevel(before)


async def first(messages: AsyncIterator[Any]) -> Any:
    return await anext(aiter(messages))
