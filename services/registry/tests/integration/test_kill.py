from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kea.registry.v1 import model_version_service_pb2, model_version_service_pb2_grpc
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings
from kea_core.testing.tokens import make_token

KIND = model_version_service_pb2.UploadModelVersionRequest


@asynccontextmanager
async def process(
    database: DatabaseSettings, sockets: Path, artifacts: Path
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KEA_")}
    credential = sockets / "credential"
    credential.write_text("s" * 48)
    settings = {
        "KEA_REGISTRY_CREDENTIAL_FILE": str(credential),
        "KEA_REGISTRY_ADDRESS": f"unix:{sockets}/registry.sock",
        "KEA_REGISTRY_AUTH_ADDRESS": f"unix:{sockets}/auth.sock",
        "KEA_REGISTRY_DATABASE_URL": database.url,
        "KEA_REGISTRY_DATABASE_SCHEMA": database.schema,
        "KEA_REGISTRY_ARTIFACTS_URL": artifacts.as_uri(),
        "KEA_REGISTRY_ORPHAN_AGE_SECONDS": "2",
        "KEA_REGISTRY_SWEEP_SECONDS": "0.1",
        "KEA_REGISTRY_DRAIN_GRACE_SECONDS": "0.1",
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kea_registry", env=clean | settings, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def until_serving(channel: grpc.aio.Channel) -> None:
    """Returns once the server is ready: it listens before it has keys, and refuses calls till then."""
    health: Any = health_pb2_grpc.HealthStub(channel)  # it has no types
    async for answer in health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return


async def test_a_killed_registry_leaves_no_version_or_a_whole_one(
    database: DatabaseSettings,
    socket_directory: Path,
    tmp_path: Path,
    start_auth: Callable[[], AbstractAsyncContextManager[Any]],
    helpers: Any,
) -> None:
    artifacts = tmp_path / "artifacts"
    chance = random.Random(4)  # noqa: S311 - moments of death, not secrets
    archives = [helpers.pack({"model.joblib": bytes([n]) * 200_000}) for n in range(4)]
    async with asyncio.timeout(100), start_auth():

        async def tokens() -> str:
            return make_token("admin", subject="users/admin")

        async def upload(stub: Any, archive: bytes) -> None:
            header = model_version_service_pb2.UploadModelVersionHeader(
                parent=helpers.MODEL, model_version=helpers.metadata_of(archive)
            )
            chunks = [KIND(chunk=archive[at : at + 8192]) for at in range(0, len(archive), 8192)]
            await stub.UploadModelVersion(iter([KIND(header=header), *chunks]))

        for archive in archives:
            async with (
                process(database, socket_directory, artifacts) as child,
                open_channel(f"unix:{socket_directory}/registry.sock", tokens) as channel,
            ):
                await until_serving(channel)
                stub = model_version_service_pb2_grpc.ModelVersionServiceStub(channel)
                await upload(stub, archive)
                async with asyncio.TaskGroup() as group:
                    group.create_task(kill_later(child, chance.uniform(0, 0.05)))
                    group.create_task(upload_until_dead(partial(upload, stub, archive)))

        async with (
            process(database, socket_directory, artifacts),
            open_channel(f"unix:{socket_directory}/registry.sock", tokens) as channel,
        ):
            await until_serving(channel)
            stub = model_version_service_pb2_grpc.ModelVersionServiceStub(channel)
            listing = model_version_service_pb2.ListModelVersionsRequest(parent=helpers.MODEL, page_size=1000)
            versions = (await stub.ListModelVersions(listing)).model_versions
            numbers = [version.number for version in versions]
            assert numbers == list(range(len(versions), 0, -1))
            assert len(numbers) >= 4
            for version in versions:
                request = model_version_service_pb2.DownloadModelVersionRequest(name=version.name)
                size = 0
                async for message in stub.DownloadModelVersion(request):
                    size += len(message.chunk)
                assert size == version.size_bytes
            expected = {version.sha256 for version in versions}
            await helpers.eventually(lambda: {path.name for path in artifacts.rglob("*") if path.is_file()} == expected)


async def kill_later(child: asyncio.subprocess.Process, seconds: float) -> None:
    await asyncio.sleep(seconds)
    child.kill()


async def upload_until_dead(upload: Callable[[], Any]) -> None:
    try:
        async with asyncio.timeout(2):
            while True:
                await upload()
    except (grpc.aio.AioRpcError, TimeoutError):
        return
