from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from kea_gateway.portal.reflection import REFLECTED_SERVICES, REFLECTION_V1, build_reflection_server, reflection_pool

PROTOCOLS = ("--protocol", "grpc", "--reflect-protocol", "grpc-v1")
BUF = Path(__file__).parents[4] / ".venv" / "bin" / "buf"


@pytest.fixture
async def address(tmp_path: Path) -> AsyncGenerator[str, None]:
    path = f"unix:{tmp_path}/grpc.sock"
    server, health = build_reflection_server(path)
    await server.start()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    try:
        yield path
    finally:
        await server.stop(None)


async def test_a_client_finds_every_service_with_its_methods(address: str) -> None:
    def ask() -> None:
        with grpc.insecure_channel(address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            assert sorted(database.get_services()) == sorted(REFLECTED_SERVICES)
            pool = DescriptorPool(database)
            for service in REFLECTED_SERVICES:
                assert pool.FindServiceByName(service).methods

    await asyncio.to_thread(ask)


async def test_version_1_is_answered_too() -> None:
    server, _ = build_reflection_server("127.0.0.1:0")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        command = [str(BUF), "curl", "--http2-prior-knowledge", *PROTOCOLS, "--list-methods"]
        done = await asyncio.to_thread(
            subprocess.run, [*command, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=False
        )
    finally:
        await server.stop(None)
    assert done.returncode == 0, done.stderr
    assert "inference.GRPCInferenceService/ModelInfer" in done.stdout
    assert "kea.registry.v1.ModelService/CreateModel" in done.stdout
    assert f"{REFLECTION_V1}/ServerReflectionInfo" in done.stdout


async def test_health_is_served(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_version_1_differs_by_name_only() -> None:
    pool = reflection_pool()
    first = pool.FindFileByName("grpc/reflection/v1/reflection.proto")
    alpha = pool.FindFileByName("grpc_reflection/v1alpha/reflection.proto")
    assert sorted(first.message_types_by_name) == sorted(alpha.message_types_by_name)
