"""The registry, run whole beside a small auth, for tests."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from kea.registry.v1 import (
    model_service_pb2_grpc,
    model_version_pb2,
    model_version_service_pb2,
    model_version_service_pb2_grpc,
)
from kea_core import status
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings
from kea_core.testing.peers import FakeAuth, serve_auth
from kea_core.testing.tokens import make_token
from kea_openapi.convert import to_proto
from kea_openapi.signature import Datatype, Field, Method, Signature, TensorType
from kea_registry.main import run
from kea_registry.settings import RegistrySettings
from prometheus_client import CollectorRegistry

SIGNATURE = Signature(
    methods=(
        Method(
            name="predict",
            inputs=(Field("x", tensor=TensorType(Datatype.FP32, (-1, 4))),),
            outputs=(Field("y", tensor=TensorType(Datatype.INT64, (-1,))),),
        ),
    ),
    default_method="predict",
)
MODEL = "projects/default/models/iris"


class FakeClock:
    """The present, and what is added to it."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


def pack(files: Mapping[str, bytes]) -> bytes:
    """Returns a deterministic tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


ARCHIVE = pack({"model.joblib": b"not really a model"})


def metadata_of(archive: bytes, **changes: Any) -> model_version_pb2.ModelVersion:
    """Returns good metadata of an archive."""
    message = model_version_pb2.ModelVersion(
        framework=model_version_pb2.FRAMEWORK_SKLEARN,
        entrypoint="model.joblib",
        signature=to_proto(SIGNATURE),
        requirements=["scikit-learn>=1.6"],
        description="an iris",
        sha256=hashlib.sha256(archive).hexdigest(),
    )
    for field, value in changes.items():
        message.ClearField(field)  # pyright: ignore[reportArgumentType] - the name is the test's
        if value is not None:
            message.MergeFrom(model_version_pb2.ModelVersion(**{field: value}))
    return message


@dataclass
class Registry:
    """A running registry and ways to call it."""

    settings: RegistrySettings
    clock: FakeClock
    channel: grpc.aio.Channel
    root: Path

    @property
    def models(self) -> model_service_pb2_grpc.ModelServiceStub:
        return model_service_pb2_grpc.ModelServiceStub(self.channel)

    @property
    def versions(self) -> model_version_service_pb2_grpc.ModelVersionServiceStub:
        return model_version_service_pb2_grpc.ModelVersionServiceStub(self.channel)

    def upload(
        self,
        archive: bytes = ARCHIVE,
        *,
        parent: str = MODEL,
        changes: Mapping[str, Any] | None = None,
        **header: Any,
    ) -> Any:
        """Uploads an archive in small chunks."""
        metadata = metadata_of(archive, **(changes or {}))
        first = model_version_service_pb2.UploadModelVersionHeader(parent=parent, model_version=metadata, **header)
        chunks = [archive[start : start + 4096] for start in range(0, len(archive), 4096)]
        return self.send([first, *chunks])

    def send(self, parts: Iterable[Any]) -> Any:
        """Sends the messages of an upload."""
        kind = model_version_service_pb2.UploadModelVersionRequest
        return self.versions.UploadModelVersion(
            iter([kind(chunk=part) if isinstance(part, bytes) else kind(header=part) for part in parts])
        )

    async def download(self, name: str) -> bytes:
        request = model_version_service_pb2.DownloadModelVersionRequest(name=name)
        return b"".join([message.chunk async for message in self.versions.DownloadModelVersion(request)])

    def objects(self) -> list[str]:
        """Returns all files below the artifact directory."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """Returns code and reason of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = status.error_info(caught.value)
    assert info is not None, caught.value
    return caught.value.code(), info.reason


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns once a condition holds that another process, or a thread, brings about."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


StartRegistry = Callable[..., AbstractAsyncContextManager[Registry]]


@pytest.fixture
def socket_directory() -> Generator[Path, None, None]:
    # Paths of unix sockets are short: pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="kea") as directory:
        yield Path(directory)


@pytest.fixture
def start_auth(socket_directory: Path) -> Callable[[], AbstractAsyncContextManager[FakeAuth]]:
    return lambda: serve_auth(f"unix:{socket_directory}/auth.sock")


@pytest.fixture
def start_registry(database: DatabaseSettings, socket_directory: Path, tmp_path: Path) -> StartRegistry:
    """Starts a registry beside an auth of its own; called twice, a second one on the same database."""
    count = 0

    @asynccontextmanager
    async def start(subject: str = "users/admin", **changes: Any) -> AsyncGenerator[Registry, None]:
        nonlocal count
        count += 1
        credential = tmp_path / "credential"
        credential.write_text("s" * 48)
        settings = RegistrySettings(
            credential_file=credential,
            address=f"unix:{socket_directory}/registry{count}.sock",
            auth_address=f"unix:{socket_directory}/auth{count}.sock",
            database=database,
            artifacts_url=str(tmp_path / "artifacts"),
            sweep_seconds=0.05,
            drain=DrainSettings(grace_seconds=0.1),
        )
        settings = replace(settings, **changes)
        clock, stop, ready = FakeClock(), asyncio.Event(), asyncio.Event()
        async with asyncio.timeout(60), serve_auth(settings.auth_address), asyncio.TaskGroup() as group:
            group.create_task(run(settings, stop, ready.set, metrics=CollectorRegistry(), clock=clock))
            await ready.wait()

            async def tokens() -> str:
                return make_token("admin", subject=subject)

            try:
                async with open_channel(settings.address, tokens) as channel:
                    yield Registry(settings, clock, channel, tmp_path / "artifacts")
            finally:
                stop.set()

    return start


@pytest.fixture
def helpers() -> Any:
    """What tests share; test folders are not packages, so they cannot import it."""
    return Helpers


class Helpers:
    """Functions and values shared by tests."""

    pack = staticmethod(pack)
    metadata_of = staticmethod(metadata_of)
    refused = staticmethod(refused)
    eventually = staticmethod(eventually)
    ARCHIVE = ARCHIVE
    SIGNATURE = SIGNATURE
    MODEL = MODEL
