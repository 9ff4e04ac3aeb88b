"""From a model version to an image in a registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kea_core.resource_name import parse_name
from kea_oci.documents import Descriptor
from kea_oci.image import Image, compose
from kea_oci.layer import Layer, entries_of, write_layer
from kea_oci.layout import write_index
from kea_oci.reference import ImageReference
from kea_oci.transfer import Origin, Progress, pull, push

from kea_deployer.builds.contents import PACKAGES, PYTHON_LABEL, RUNTIME, model_entries, run_of
from kea_deployer.builds.errors import BaseImageUnsuitable
from kea_deployer.builds.layer_cache import LayerCache, layer_key
from kea_deployer.builds.packages import Packages, remove_bytecode
from kea_deployer.builds.registries import Registries
from kea_deployer.builds.target import Target
from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.provision.recipe import Recipe, requirements_of, runtime_sources, without_passwords
from kea_deployer.provision.uv import Note, Uv

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that is in a registry."""

    reference: ImageReference
    """Pinned."""
    base: ImageReference
    """Pinned."""
    locks: dict[str, str]
    """What the requirements came to, by platform."""
    bytes_pushed: int


@dataclass(frozen=True, slots=True)
class _Part:
    image: Image
    base: Image
    shared: tuple[Descriptor, ...]
    """Layers that other models' images have as well."""
    lock: str


class ImageBuilder:
    """Builds images of models.

    Args:
        uv: runs uv, and the compiler.
        recipe: what the runtime is made of.
        cache: layers made before.
        registries: where the base comes from, and images go to.
        scratch: directory for what is of no use afterwards.
        base: what images stand on; it has a Python.
        repository: `HOST/PATH`, below which images go, by project and model.
        targets: what they are for.
    """

    def __init__(
        self,
        uv: Uv,
        recipe: Recipe,
        cache: LayerCache,
        registries: Registries,
        *,
        scratch: Path,
        base: ImageReference,
        repository: str,
        targets: tuple[Target, ...],
    ) -> None:
        self._uv = uv
        self._recipe = recipe
        self._cache = cache
        self._registries = registries
        self._scratch = scratch
        self._base = base
        self._repository = repository
        self._targets = targets
        self._packages = Packages(uv, scratch)

    def destination(self, model: ModelVersion) -> ImageReference:
        """Returns where a model version's image goes."""
        project, name, version = parse_name(model.name, "projects", "models", "versions")
        return ImageReference.parse(f"{self._repository}/{project}/{name}:{version}")

    async def build(
        self,
        model: ModelVersion,
        artifact: Path,
        *,
        note: Note,
        step: Callable[[str], None],
        seal: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> BuiltImage:
        """Builds an image and pushes it. What was made before is not made again, and what is there is not sent again.

        Args:
            model: the version.
            artifact: directory with its files.
            note: told of each line worth keeping.
            step: told what is under way, for people; often.
            seal: gives what is held while the tag is pushed, which is last.

        Raises:
            UvError: the requirements cannot be met; the message is uv's.
            BaseImageUnsuitable: the base has another Python than images are made for.
            KeaError: the base cannot be had, or the registry does not take the image (`kea_oci.errors`).
        """
        destination = self.destination(model)
        origin = Origin(self._registries[self._base.registry], self._base.repository)
        parts = [await self._part(model, artifact, target, origin, note, step) for target in self._targets]
        images = [part.image for part in parts]
        store = self._cache.store
        index = write_index(store, images) if len(images) > 1 else None

        def sent(progress: Progress) -> None:
            step(f"pushing the image: {progress.bytes_sent / MIB:.0f} MiB sent")

        progress = Progress(sent)
        step("pushing the image")
        shared = {layer.digest for part in parts for layer in part.shared}
        pinned = await push(
            images,
            store,
            self._registries[destination.registry],
            destination,
            index=index,
            origin=origin,
            places=await self._cache.places.of(destination.registry, shared),
            progress=progress,
            seal=seal,
        )
        await self._cache.places.note(pinned, shared)
        note(f"image {pinned}: {progress.bytes_sent} bytes sent, {progress.blobs_there} parts were there")
        return BuiltImage(
            reference=pinned,
            base=self._base.at(parts[0].base.descriptor.digest),
            locks={str(target): part.lock for target, part in zip(self._targets, parts, strict=True)},
            bytes_pushed=progress.bytes_sent,
        )

    async def _part(
        self,
        model: ModelVersion,
        artifact: Path,
        target: Target,
        origin: Origin,
        note: Note,
        step: Callable[[str], None],
    ) -> _Part:
        step("looking up the base image")
        base = await pull(origin.registry, self._base, target.platform, self._cache.store)
        _check_python(self._base, base, target)
        requirements = requirements_of(model, self._recipe)
        step("resolving the requirements")
        note(f"requirements for {target}: {without_passwords(', '.join(requirements))}")
        lock = await self._packages.resolve(requirements, target, note)
        step("laying out the packages")
        packages = await self._package_layer(lock, target, note)
        step("laying out the model server")
        runtime = await self._runtime_layer(target, note)
        step("packing the model")
        shown = without_passwords(lock)
        own = await self._model_layer(model, artifact, shown)
        image = compose(self._cache.store, base, [packages, runtime, own], run_of(model, target), {})
        return _Part(image, base, (packages.descriptor, runtime.descriptor), shown)

    async def _package_layer(self, lock: str, target: Target, note: Note) -> Layer:
        async def make() -> Layer:
            async with self._directory() as directory:
                await self._packages.lay_out(lock, target, directory, note)
                return await self._write(directory, PACKAGES, "packages", target, note)

        return await self._cache.get(layer_key("packages", lock, str(target), target.compiles), make)

    async def _runtime_layer(self, target: Target, note: Note) -> Layer:
        lines = self._recipe.layer_requirements

        async def make() -> Layer:
            lock = await self._packages.resolve(lines, target, note)
            async with self._directory() as directory:
                await self._packages.lay_out(lock, target, directory, note)
                await self._uv.run_program(runtime_sources(directory), note)
                return await self._write(directory, RUNTIME, "model server", target, note)

        # Not by what the requirements come to: a patch of grpcio must not make all models' images anew.
        return await self._cache.get(layer_key("runtime", self._recipe.digest, str(target), target.compiles), make)

    async def _model_layer(self, model: ModelVersion, artifact: Path, lock: str) -> Layer:
        def write() -> Layer:
            entries = model_entries(model, artifact, lock)
            return write_layer(self._cache.store, entries, compress=False, comment=model.name)

        async def make() -> Layer:
            return await asyncio.to_thread(write)

        key = layer_key("model", model.name, model.sha256, model.framework, model.entrypoint, model.signature, lock)
        return await self._cache.get(key, make)

    @asynccontextmanager
    async def _directory(self) -> AsyncGenerator[Path]:
        directory = TemporaryDirectory(dir=self._scratch)
        try:
            yield Path(directory.name)
        finally:
            await asyncio.to_thread(directory.cleanup)  # of thousands of files

    async def _write(self, directory: Path, place: str, comment: str, target: Target, note: Note) -> Layer:
        if target.compiles:
            await self._packages.compile(directory, place, note)
        else:
            await asyncio.to_thread(remove_bytecode, directory)  # the runtime's sources come with this Python's

        def write() -> Layer:
            entries = entries_of(directory, place.lstrip("/"))
            return write_layer(self._cache.store, entries, compress=True, comment=comment)

        return await asyncio.to_thread(write)


def _check_python(name: ImageReference, base: Image, target: Target) -> None:
    """Compares what the base says of its Python, where it says anything, with what is resolved for."""
    config = base.config.get("config") or {}
    environment = dict(line.partition("=")[::2] for line in config.get("Env") or [])
    told = (config.get("Labels") or {}).get(PYTHON_LABEL) or environment.get("PYTHON_VERSION", "")
    found = ".".join(str(told).split(".")[:2])
    if found and found != target.python:
        raise BaseImageUnsuitable(str(name), f"it has Python {found}, and images are made for {target.python}")
