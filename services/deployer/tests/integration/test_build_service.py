"""Builds over the API, into the registry that everybody runs: distribution, from Debian."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from kea.deployer.v1 import build_pb2, build_service_pb2, build_service_pb2_grpc
from kea_core.operations import CancelOperationRequest, Operation, WaitOperationRequest
from kea_core.settings import to_environment
from kea_deployer.builds import workshop
from kea_deployer.builds.errors import ImagePlatformMissing
from kea_deployer.builds.prebuilt import pin
from kea_deployer.builds.registries import Registries
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.builds.target import Target
from kea_deployer.provision.recipe import Recipe
from kea_oci.blob_store import BlobStore
from kea_oci.documents import INDEX
from kea_oci.errors import BadImageReference, ImageNotFound, RegistryUnavailable
from kea_oci.image import Run, compose
from kea_oci.layer import Entry, write_layer
from kea_oci.layout import write_index
from kea_oci.platform import LINUX_AMD64, Platform
from kea_oci.reference import ImageReference
from kea_oci.transfer import pull, push

pytestmark = [pytest.mark.registry, pytest.mark.timeout(300)]

State = build_pb2.Build
AMD, ARM = "linux/amd64", "linux/arm64"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
KIT = Path(__file__).parents[4] / "libs" / "kea-oci" / "tests" / "conftest.py"
SMALL = Recipe(
    layer_requirements=("click==8.1.7",),
    install_arguments=(),
    base_requirements=(),
    framework_requirements={"python": ()},
    skops_requirements=(),
    table_requirements=(),
    digest="small",
)
"""Of a runtime that cannot serve: making the real one takes its time, and is not what this is about."""
PROCESS = """
import asyncio, os, sys
from kea_core.lifecycle import run_service
from kea_core.settings import read_settings
from kea_deployer.builds import workshop
from kea_deployer.main import run
from kea_deployer.provision.recipe import Recipe
from kea_deployer.settings import DeployerSettings

async def small():
    return {recipe!r}

workshop.read_recipe = small
sys.exit(run_service("deployer", run, read_settings(DeployerSettings, "KEA_DEPLOYER", os.environ)))
"""


def serve(directory: Path) -> AbstractAsyncContextManager[str]:
    """Runs a registry, as the tests of kea-oci do; test folders are not packages, so they cannot be imported."""
    found = importlib.util.spec_from_file_location("kea_oci_kit", KIT)
    assert found is not None
    assert found.loader is not None
    kit: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(kit)
    return kit.serve_registry(directory)


class Valve:
    """Stands before a registry; while it is shut, nothing is let through that would be uploaded."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.away = False
        """Whether nobody answers at all."""
        self.held = asyncio.Event()
        """Set when something is held back."""
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def before(self, registry: str) -> AsyncGenerator[str]:
        """Gives the address where it stands."""
        host, _, port = registry.partition(":")

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, held: bool) -> None:
            try:
                while block := await reader.read(65536):
                    if held and block.startswith((b"PUT ", b"PATCH ")) and not self.open.is_set():
                        self.held.set()
                        await self.open.wait()
                    writer.write(block)
                    await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.away:
                writer.close()
                return
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            for one in (relay(reader, inner_writer, held=True), relay(inner_reader, writer, held=False)):
                task = asyncio.ensure_future(one)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Ground:
    """A registry with a base in it, behind a valve."""

    address: str
    valve: Valve
    registries: Registries
    base: ImageReference
    directory: Path

    @property
    def images(self) -> ImageSettings:
        return ImageSettings(
            repository=f"{self.address}/models", base=str(self.base), python=HERE, plain_http=(self.address,)
        )

    async def has(self, reference: str) -> bool:
        name = ImageReference.parse(reference)
        try:
            await self.registries[name.registry].document(name)
        except ImageNotFound:
            return False
        return True


@pytest.fixture
async def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Ground]:
    async def small() -> Recipe:
        return SMALL

    monkeypatch.setattr(workshop, "read_recipe", small)  # what it asks is a program, and takes its answer for granted
    valve = Valve()
    async with serve(tmp_path / "registry") as registry, valve.before(registry) as address:
        registries = Registries({}, {address})
        store = BlobStore(tmp_path / "base")
        layer = write_layer(store, [Entry("etc/hostname", b"base")], compress=True)
        run = Run(labels={"dev.kea.python": HERE})
        images = [compose(store, platform, [layer], run, {}) for platform in (LINUX_AMD64, Platform.parse(ARM))]
        base = ImageReference.parse(f"{address}/python:12")
        await push(images, store, registries[address], base, index=write_index(store, images))
        await push(images[:1], store, registries[address], ImageReference.parse(f"{address}/amd:1"))
        yield Ground(address, valve, registries, base, tmp_path)
        await registries.close()


class Builds:
    """Ways to call a deployer that runs."""

    def __init__(self, deployer: Any, helpers: Any) -> None:
        self.stub: Any = build_service_pb2_grpc.BuildServiceStub(deployer.channel)
        self.operations = deployer.operations
        self._helpers = helpers

    async def create(self, version: str = "1", *platforms: str, **more: Any) -> Operation:
        wanted = build_pb2.Build(model_version=f"{self._helpers.MODEL}/versions/{version}", platforms=platforms)
        request = build_service_pb2.CreateBuildRequest(parent=self._helpers.PROJECT, build=wanted, **more)
        return await self.stub.CreateBuild(request)

    async def get(self, operation: Operation) -> build_pb2.Build:
        return await self.stub.GetBuild(build_service_pb2.GetBuildRequest(name=build_of(operation)))

    async def ended(self, operation: Operation) -> build_pb2.Build:
        request = WaitOperationRequest(name=operation.name, timeout=duration_pb2.Duration(seconds=30))
        async with asyncio.timeout(120):
            while not operation.done:
                operation = await self.operations.WaitOperation(request, timeout=40)
        return await self.get(operation)

    async def log(self, operation: Operation, *, follow: bool = False) -> list[str]:
        request = build_service_pb2.StreamBuildLogsRequest(name=build_of(operation), tail_lines=1000, follow=follow)
        return [entry.text async for message in self.stub.StreamBuildLogs(request) for entry in message.entries]


def build_of(operation: Operation) -> str:
    metadata = build_pb2.BuildOperationMetadata()
    assert operation.metadata.Unpack(metadata)
    return metadata.build


def left(ground: Ground) -> list[Path]:
    """Returns what builds have left that is of no use."""
    return list((ground.directory / "data" / "builds" / "scratch").iterdir())


Started = Callable[..., AbstractAsyncContextManager[tuple[Any, Builds]]]


@pytest.fixture
def started(start_deployer: Any, ground: Ground, helpers: Any) -> Started:
    """Starts a deployer that has a version with one requirement."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncGenerator[tuple[Any, Builds]]:
        async with start_deployer(patience=200, images=ground.images, **changes) as deployer:
            deployer.registry.put(requirements=["click==8.1.7"])
            yield deployer, Builds(deployer, helpers)

    return start


async def test_a_build_makes_an_image_that_can_be_pulled(started: Started, ground: Ground, helpers: Any) -> None:
    async with started() as (_, builds):
        operation = await builds.create("latest")
        lines = await builds.log(operation, follow=True)
        built = await builds.ended(operation)
        assert built.state == State.STATE_SUCCEEDED, built
        assert built.model_version == f"{helpers.MODEL}/versions/1"
        assert built.destination == f"{ground.address}/models/default/echo:1"
        pinned = ImageReference.parse(built.image)
        image = await pull(
            ground.registries[ground.address], pinned, LINUX_AMD64, BlobStore(ground.directory / "pulled")
        )
        assert built.image == f"{built.destination}@{image.descriptor.digest}"
        assert image.config["config"]["Labels"]["dev.kea.model-version"] == built.model_version
        assert built.base.startswith(f"{ground.base}@sha256:")
        (lock,) = built.locks
        assert lock.target == f"{AMD}, Python {HERE}"
        assert "click==8.1.7" in lock.requirements
        assert "--hash=sha256:" in lock.requirements
        assert built.bytes_pushed > 0
        assert built.create_time.ToDatetime() <= built.start_time.ToDatetime() <= built.end_time.ToDatetime()
        for line in ("fetching the artifact", "resolving the requirements", "packing the model", "SUCCEEDED"):
            assert line in lines
        ended, response = await builds.operations.WaitOperation(WaitOperationRequest(name=operation.name)), State()
        assert ended.response.Unpack(response)
        assert response == built
        again = await builds.ended(await builds.create())
        assert (again.image, again.bytes_pushed) == (built.image, 0), "the same image, and nothing is sent twice"
    assert left(ground) == []


async def test_an_image_for_two_machines_is_one_index(started: Started, ground: Ground) -> None:
    async with started() as (_, builds):
        built = await builds.ended(await builds.create("1", AMD, ARM, AMD))
        assert list(built.platforms) == [AMD, ARM]
        assert [lock.target.partition(",")[0] for lock in built.locks] == [AMD, ARM]
        document = await ground.registries[ground.address].document(ImageReference.parse(built.image))
        assert document.descriptor.media_type == INDEX


async def test_requirements_that_cannot_be_met_are_told_in_the_resolvers_words(
    started: Started, ground: Ground
) -> None:
    async with started() as (deployer, builds):
        deployer.registry.put(2, requirements=["click==8.1.7", "click==7.0"])
        operation = await builds.create("2")
        failed = await builds.ended(operation)
        assert (failed.state, failed.error.reason) == (State.STATE_FAILED, "ENVIRONMENT_FAILED")
        assert "No solution found" in failed.error.message
        told = await builds.operations.WaitOperation(WaitOperationRequest(name=operation.name))
        assert told.error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
        assert told.error.message == failed.error.message
        assert not await ground.has(failed.destination)
        assert any("No solution found" in line for line in await builds.log(operation))


async def test_a_base_that_is_not_for_the_machine_is_told(started: Started) -> None:
    async with started() as (_, builds):
        missing = await builds.ended(await builds.create("1", "linux/arm64/v7"))
        assert (missing.state, missing.error.reason) == (State.STATE_FAILED, "IMAGE_PLATFORM_NOT_FOUND")


async def test_registries_that_are_away_are_waited_for(
    started: Started, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "FIRST_PAUSE_SECONDS", 0.05)
    async with started() as (deployer, builds):
        deployer.registry.refuses, ground.valve.away = grpc.StatusCode.UNAVAILABLE, True
        operation = await builds.create()
        request = build_service_pb2.StreamBuildLogsRequest(name=build_of(operation), tail_lines=1000, follow=True)
        lines: list[str] = []
        async for message in builds.stub.StreamBuildLogs(request):
            for entry in message.entries:
                lines.append(entry.text)
                if entry.text == "waiting for the registry":
                    deployer.registry.refuses = None
                if entry.text == "waiting for the image registry":
                    ground.valve.away = False
        assert lines.index("waiting for the registry") < lines.index("waiting for the image registry")
        assert (await builds.get(operation)).state == State.STATE_SUCCEEDED


@pytest.mark.parametrize("by_operation", [False, True])
async def test_a_build_that_is_cancelled_leaves_nothing(started: Started, ground: Ground, by_operation: bool) -> None:  # noqa: FBT001 - a parameter
    async with started() as (_, builds):
        ground.valve.open.clear()
        operation = await builds.create()
        async with asyncio.timeout(100):
            await ground.valve.held.wait()  # layers are on their way
        if by_operation:
            await builds.operations.CancelOperation(CancelOperationRequest(name=operation.name))
        else:
            asked = await builds.stub.CancelBuild(build_service_pb2.CancelBuildRequest(name=build_of(operation)))
            assert (asked.state, asked.step) == (State.STATE_RUNNING, "cancelling")
        ground.valve.open.set()
        cancelled = await builds.ended(operation)
        assert cancelled.state == State.STATE_CANCELLED
        assert not await ground.has(cancelled.destination)
        assert left(ground) == []
        assert (await builds.log(operation, follow=True))[-1] == "CANCELLED"
        ended = await builds.operations.WaitOperation(WaitOperationRequest(name=operation.name))
        assert ended.error.code == grpc.StatusCode.CANCELLED.value[0]
        again = await builds.stub.CancelBuild(build_service_pb2.CancelBuildRequest(name=build_of(operation)))
        assert again == cancelled
        built = await builds.ended(await builds.create())
        assert built.state == State.STATE_SUCCEEDED, "what was cancelled is in nobody's way"


async def test_a_build_outlives_the_deployer_that_is_killed(
    started: Started, ground: Ground, settings: Any, neighbours: Any, helpers: Any
) -> None:
    neighbours.put(requirements=["click==8.1.7"])
    environment = to_environment(replace(settings, images=ground.images), "KEA_DEPLOYER")
    ground.valve.open.clear()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROCESS.format(recipe=SMALL)),
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with helpers.connected(settings, neighbours) as deployer:
            builds = Builds(deployer, helpers)
            operation = await answered(builds)
            async with asyncio.timeout(100):
                await ground.valve.held.wait()
            child.kill()
            await child.wait()
        ground.valve.open.set()
        async with started() as (_, builds):
            built = await builds.ended(operation)
            assert built.state == State.STATE_SUCCEEDED
            lines = await builds.log(operation)
        assert lines.count("resolving the requirements") == 2, "it was run again"
        assert lines.count("compiling") == 2, "of two layers, each compiled once: by the one that was killed"
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def answered(builds: Builds) -> Operation:
    """Creates a build as soon as a deployer that is being started can be asked."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await builds.create()
            except grpc.aio.AioRpcError as error:
                if error.code() not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED}:
                    raise
            await asyncio.sleep(0.2)


async def test_an_image_of_somebody_elses_is_pinned(ground: Ground) -> None:
    both = [Target.parse(platform, HERE) for platform in (AMD, ARM)]
    document = await ground.registries[ground.address].document(ground.base)
    digest = document.descriptor.digest
    assert await pin(str(ground.base), ground.registries, both) == ground.base.at(digest)
    by_digest = f"{ground.address}/python@{digest}"
    assert str(await pin(by_digest, ground.registries, both)) == by_digest
    with pytest.raises(ImagePlatformMissing, match=f"is not for {ARM}.*only for {AMD}"):
        await pin(f"{ground.address}/amd:1", ground.registries, both)
    assert await pin(f"{ground.address}/amd:1", ground.registries, both[:1])
    with pytest.raises(ImageNotFound):
        await pin(f"{ground.address}/amd:2", ground.registries, both)
    with pytest.raises(BadImageReference):
        await pin("No Image", ground.registries, both)
    away = Registries({}, {"127.0.0.1:1"})
    with pytest.raises(RegistryUnavailable):
        await pin("127.0.0.1:1/amd:1", away, both)
    await away.close()
