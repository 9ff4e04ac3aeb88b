"""From an address to a version in the registry."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kea.registry.v1 import model_pb2, model_version_pb2

from kea_deployer.operator.decide_model import is_same, version_of
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.model_spec import ModelSpec
from kea_deployer.operator.packaging.package import make_package
from kea_deployer.operator.platform.calls import request_id
from kea_deployer.operator.platform.models import Models
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.resource import Resource
from kea_deployer.operator.sources.artifact_sources import ArtifactSources


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A version, and what had to be guessed of it."""

    version: model_version_pb2.ModelVersion
    notes: tuple[str, ...]


class Uploads:
    """Fetches artifacts and makes versions of them.

    Args:
        sources: where artifacts come from.
        models: the registry.
        directory: for what is on its way.
        max_bytes: most that one artifact may unpack to.
        at_once: artifacts at the same time.
    """

    def __init__(
        self, sources: ArtifactSources, models: Models, directory: Path, *, max_bytes: int, at_once: int
    ) -> None:
        self._sources = sources
        self._models = models
        self._directory = directory
        self._max_bytes = max_bytes
        self._turns = asyncio.Semaphore(at_once)

    def open(self) -> None:
        """Makes the directory, and empties it of what a predecessor that was killed has left."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True, mode=0o700)

    async def upload(self, resource: Resource, spec: ModelSpec, model: model_pb2.Model, digest: str) -> Uploaded:
        """Makes a version of what a spec points at, unless the newest is that already.

        Args:
            resource: whose spec it is.
            spec: what to fetch.
            model: whose version it becomes.
            digest: of spec and content; the same request with the same digest makes one version, however often.

        Raises:
            Problem: it cannot be fetched, is no model, or the registry refuses.
        """
        try:
            return await self._upload(resource, spec, model, digest)
        except OSError as error:
            problem = f"{spec.address} cannot be kept while it is looked at: {error.strerror or error}"
            raise Problem(Reason.WORKSPACE_FAILED, problem, passing=True) from error

    async def _upload(self, resource: Resource, spec: ModelSpec, model: model_pb2.Model, digest: str) -> Uploaded:
        async with self._turns:
            directory = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._directory))
            try:
                fetched = directory / "fetched"
                await asyncio.to_thread(fetched.mkdir)
                file = await self._sources.fetch(resource.key.namespace, spec, fetched)
                package = await asyncio.to_thread(make_package, spec, file.path, directory, self._max_bytes)
                wanted = version_of(package)
                latest = await self._models.find_version(f"{model.name}/versions/latest")
                if latest is not None and is_same(latest, wanted):
                    return Uploaded(latest, package.notes)
                request = request_id(resource.uid, model.name, str(model.latest_version), digest, package.sha256)
                made = await self._models.upload(model.name, wanted, package.archive, request)
                return Uploaded(made, package.notes)
            finally:
                await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
