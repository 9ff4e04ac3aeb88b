"""Where images are made for builds: from the archive in the registry of models to the image in one of images."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc
from kea_core.errors import KeaError
from kea_core.settings import SettingsError
from kea_oci.blob_store import BlobStore
from kea_oci.credentials import read_credentials
from kea_oci.errors import BadImageReference, RegistryUnavailable
from kea_oci.reference import ImageReference

from kea_deployer.builds.image_builder import ImageBuilder
from kea_deployer.builds.layer_cache import LayerCache
from kea_deployer.builds.prebuilt import pin
from kea_deployer.builds.registries import Registries
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.builds.target import Target
from kea_deployer.domain.build import Build, Product
from kea_deployer.domain.build_errors import BuildPlatformUnsupported
from kea_deployer.domain.build_ports import BuildRefusal, Seal
from kea_deployer.domain.deployment import ARTIFACT_FAILED, ENVIRONMENT_FAILED, ModelVersion
from kea_deployer.provision.artifacts import Archives, ArtifactError, Artifacts, ArtifactStalledError
from kea_deployer.provision.content import Directories
from kea_deployer.provision.preparations import PASSING, WAITING
from kea_deployer.provision.recipe import Recipe, read_recipe
from kea_deployer.provision.uv import Note, Uv, UvError

AT_ONCE = 2
"""Images made at the same time, for builds and deployments together."""
SPARE_ARTIFACTS = 2
"""Unpacked artifacts kept though no build needs them."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
PATIENCE_SECONDS = 600.0
"""How long a registry that is away is waited for before a build, which keeps others from running, is given up."""
T = TypeVar("T")


class ImageWorkshop:
    """Implements `kea_deployer.domain.build_ports.Workshop`; deployments get their images here as well.

    Args:
        settings: what images are made of and for, and where they go.
        uv: runs uv.
        recipe: what the model server is made of.
        cache: layers made before.
        registries: where bases come from, and images go to.
        artifacts: models' files.
        directories: where those are.
        scratch: directory for what is of no use afterwards.
        patience_seconds: how long a registry that is away is waited for.
    """

    def __init__(
        self,
        settings: ImageSettings,
        *,
        uv: Uv,
        recipe: Recipe,
        cache: LayerCache,
        registries: Registries,
        artifacts: Artifacts,
        directories: Directories,
        scratch: Path,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._settings = settings
        self._uv = uv
        self._recipe = recipe
        self._cache = cache
        self._registries = registries
        self._artifacts = artifacts
        self._directories = directories
        self._scratch = scratch
        self._patience_seconds = patience_seconds
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._active: dict[str, str] = {}
        """Digests of the artifacts that are needed now, by the scratch directory of who needs them."""

    @property
    def artifacts(self) -> Artifacts:
        """Models' files, fetched once for all who need them."""
        return self._artifacts

    def platforms(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Returns what an image is made for: what is wanted, each once, or what is set.

        Raises:
            BuildPlatformUnsupported: no image can be made for one.
        """
        found: dict[str, None] = {}
        for platform in wanted or self._settings.platforms:
            try:
                found[str(Target.parse(platform, self._settings.python).platform)] = None
            except (SettingsError, BadImageReference) as error:
                raise BuildPlatformUnsupported(platform, str(error)) from error
        return tuple(found)

    def destination(self, model: ModelVersion) -> str:
        """Returns where a model version's image goes."""
        return str(self._builder((), self._scratch).destination(model))

    async def pin(self, image: str) -> ImageReference:
        """Returns an image that somebody else has made (`kea_deployer.builds.prebuilt`)."""
        return await pin(image, self._registries, self._settings.targets())

    @asynccontextmanager
    async def builder(
        self, key: str, model: ModelVersion, targets: tuple[Target, ...] | None = None
    ) -> AsyncGenerator[ImageBuilder, None]:
        """Gives a builder for one image; waits while others are at work. Nothing is left of its scratch files.

        Args:
            key: of what the image is for; one at a time.
            model: whose artifact is needed meanwhile.
            targets: what it is made for. None: as is set.
        """
        async with self._turns:
            scratch = self._scratch / key
            await asyncio.to_thread(scratch.mkdir, exist_ok=True)
            self._active[key] = model.sha256
            try:
                yield self._builder(self._settings.targets() if targets is None else targets, scratch)
            finally:
                del self._active[key]
                # Not in a thread: whoever cancels once more would leave it half done.
                shutil.rmtree(scratch, ignore_errors=True)

    async def make(self, build: Build, *, note: Note, step: Callable[[str], None], seal: Seal) -> Product:
        """Makes an image and brings it into the registry. Where it is cancelled, nothing is left of it.

        Raises:
            BuildRefusal: it cannot be made, and trying the same again cannot help.
        """
        targets = tuple(Target.parse(platform, self._settings.python) for platform in build.platforms)
        step("waiting for other builds")
        try:
            async with self.builder(build.key, build.model, targets) as builder:
                step("fetching the artifact")
                artifact = await self._patiently(lambda: self._artifacts.get(build.model), note, step)
                built = await self._patiently(
                    lambda: builder.build(build.model, artifact, note=note, step=step, seal=seal), note, step
                )
        except (ArtifactError, ArtifactStalledError) as error:
            raise BuildRefusal(ARTIFACT_FAILED, str(error)) from error
        except grpc.aio.AioRpcError as error:
            raise BuildRefusal(ARTIFACT_FAILED, _told(error)) from error
        except UvError as error:
            raise BuildRefusal(ENVIRONMENT_FAILED, str(error)) from error
        except KeaError as error:
            raise BuildRefusal(error.reason, str(error)) from error
        return Product(str(built.reference), str(built.base), built.locks, built.bytes_pushed)

    async def tidy(self, unfinished: Sequence[Build]) -> None:
        """Removes what was not used for longest, beyond the bound, and what a thread wrote after a build's end."""
        await asyncio.to_thread(self._sweep)
        needed = {*self._active.values(), *(build.model.sha256 for build in unfinished)}
        await self._directories.keep(needed, spare=SPARE_ARTIFACTS)
        await self._cache.tidy(self._settings.max_cache_bytes)

    def _sweep(self) -> None:
        for path in self._scratch.iterdir():
            if path.name not in self._active:
                shutil.rmtree(path, ignore_errors=True)

    def _builder(self, targets: tuple[Target, ...], scratch: Path) -> ImageBuilder:
        return ImageBuilder(
            self._uv,
            self._recipe,
            self._cache,
            self._registries,
            scratch=scratch,
            base=self._settings.base_reference(),
            repository=self._settings.repository,
            targets=targets,
        )

    async def _patiently(self, call: Callable[[], Awaitable[T]], note: Note, step: Callable[[str], None]) -> T:
        """Calls again while a registry is away, for a while."""
        until, pause = time.monotonic() + self._patience_seconds, FIRST_PAUSE_SECONDS
        while True:
            try:
                return await call()
            except (ArtifactStalledError, grpc.aio.AioRpcError, RegistryUnavailable) as error:
                waiting = _waiting(error)
                if not waiting or time.monotonic() + pause > until:
                    raise
                note(_told(error))
                step(waiting)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _waiting(error: Exception) -> str:
    """Returns what is waited for after a failure; nothing where that is of no use."""
    if isinstance(error, RegistryUnavailable):
        return "" if error.retry_after is None else "waiting for the image registry"
    return "" if isinstance(error, grpc.aio.AioRpcError) and error.code() not in PASSING else WAITING


def _told(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return error.details() or error.code().name
    return str(error)


@asynccontextmanager
async def open_workshop(
    settings: ImageSettings, directory: Path, archives: Archives, *, max_artifact_bytes: int
) -> AsyncGenerator[ImageWorkshop, None]:
    """Opens a workshop that keeps everything in a directory.

    Raises:
        SettingsError: images cannot be made as the settings say.
        BadImageReference: the base, or the repository, is no name of an image.
        RuntimeMissingError: the model server is not installed beside the deployer.
    """
    settings.base_reference()
    settings.targets()
    async with AsyncExitStack() as stack:
        lifeline, held = os.pipe()  # uv ends with this process
        stack.callback(os.close, held)
        stack.callback(os.close, lifeline)
        directories = Directories(directory / "artifacts")
        await directories.open()
        scratch = directory / "scratch"
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)  # of a deployer that was killed
        await asyncio.to_thread(scratch.mkdir, parents=True)
        credentials = read_credentials(Path(settings.credentials_file)) if settings.credentials_file else {}
        registries = Registries(credentials, settings.plain_http)
        stack.push_async_callback(registries.close)
        yield ImageWorkshop(
            settings,
            uv=Uv(lifeline, os.environ),
            recipe=await read_recipe(),
            cache=LayerCache(BlobStore(directory), directory / "layers"),
            registries=registries,
            artifacts=Artifacts(directories, archives, max_bytes=max_artifact_bytes),
            directories=directories,
            scratch=scratch,
        )
