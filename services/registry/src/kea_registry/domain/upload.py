"""Use case of uploading a version: all or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from kea_core.clock import Clock
from kea_core.managed import check_change
from kea_openapi.signature import Signature

from kea_registry.domain.archive import check_archive
from kea_registry.domain.archives import Archives
from kea_registry.domain.errors import (
    ArtifactTooLarge,
    ChecksumMismatch,
    ModelNotFound,
    ModelVersionExists,
    ModelVersionOutOfOrder,
    SignatureInvalid,
    UploadExpired,
)
from kea_registry.domain.model import Model, ModelKey, checked, new_model
from kea_registry.domain.model_version import Framework, ModelVersion, VersionKey, entrypoint_file
from kea_registry.domain.ports import ArchiveLedger, Artifacts, Incoming, Once, Storage, Transaction
from kea_registry.domain.python_signature import read_python_signature
from kea_registry.domain.requirements import check_requirements

ATTEMPTS = 3
"""How often a model that is deleted while a version is added to it is made again."""


@dataclass(frozen=True, slots=True)
class UploadHeader:
    """What is said of an upload before its bytes."""

    model: ModelKey
    framework: Framework
    entrypoint: str
    signature: Signature | None
    requirements: tuple[str, ...]
    description: str
    sha256: str
    number: int
    """The number it must get; 0 for the next."""
    require_model: bool
    dry: bool
    """Everything is checked and nothing kept."""
    creator: str
    once: Once


class Uploads:
    """Receives versions."""

    def __init__(
        self,
        storage: Storage,
        artifacts: Artifacts,
        ledger: ArchiveLedger,
        archives: Archives,
        *,
        max_bytes: int,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._artifacts = artifacts
        self._ledger = ledger
        self._archives = archives
        self._max_bytes = max_bytes
        self._clock = clock

    async def upload(self, header: UploadHeader, chunks: AsyncIterator[bytes]) -> ModelVersion:
        """Makes a version, and its model where it is new; the same request again gives the first answer again.

        Raises:
            KeaError: any that the RPC's comment names; nothing is left of the upload then.
        """
        file = entrypoint_file(header.framework, header.entrypoint)
        checked("header.model_version.description", header.description)
        requirements = check_requirements(header.requirements)
        if header.signature is None and header.framework is not Framework.PYTHON:
            problem = "is not set; only of framework PYTHON it is read from the source"
            raise SignatureInvalid(problem)
        # Also here, before gigabytes are sent for nothing.
        async with self._storage.reading() as transaction:
            done = await self._done(transaction, header)
            if done is not None:
                return done
            model = await transaction.models.get(header.model)
            check_change(header.model.name, "" if model is None else model.managed_by)
            await self._next_number(transaction, header, model)
        async with self._artifacts.receive() as incoming:
            sha256, size = await self._receive(incoming, header, chunks)

            def look(archive: BinaryIO) -> Signature:
                check_archive(archive, file)
                return header.signature or read_python_signature(archive, header.entrypoint)

            signature = await incoming.inspect(look)
            version = ModelVersion(
                key=VersionKey(header.model, 1),
                framework=header.framework,
                entrypoint=header.entrypoint,
                signature=signature,
                requirements=requirements,
                description=header.description,
                sha256=sha256,
                size_bytes=size,
                create_time=self._clock(),
                creator=header.creator,
            )
            return await (self._rehearse(header, version) if header.dry else self._keep(header, version, incoming))

    async def _receive(self, incoming: Incoming, header: UploadHeader, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        received = 0
        async for chunk in chunks:
            received += len(chunk)
            if received > self._max_bytes:
                raise ArtifactTooLarge(self._max_bytes)
            await incoming.write(chunk)
        sha256, size = await incoming.finish()
        if sha256 != header.sha256:
            raise ChecksumMismatch(header.sha256, sha256)
        return sha256, size

    async def _rehearse(self, header: UploadHeader, version: ModelVersion) -> ModelVersion:
        async with self._storage.reading() as transaction:
            number = await self._next_number(transaction, header, await transaction.models.get(header.model))
        return _numbered(version, number)

    async def _keep(self, header: UploadHeader, version: ModelVersion, incoming: Incoming) -> ModelVersion:
        claim = await self._ledger.claim(version.sha256)
        committed = False
        try:
            await incoming.keep(version.sha256)
            async with self._storage.transaction() as transaction:
                model = await self._locked_model(transaction, header)
                done = await self._done(transaction, header)
                if done is not None:
                    return done
                check_change(header.model.name, model.managed_by)
                number = await self._next_number(transaction, header, model)
                made = _numbered(version, number)
                await transaction.versions.add(made, claim)
                await transaction.models.save(model.changed(self._clock(), latest_version=number))
                await transaction.requests.remember(header.once, made.key.name)
            committed = True
            return made
        finally:
            if not committed:
                await self._ledger.release(claim)
                await self._archives.discard(version.sha256)

    async def _locked_model(self, transaction: Transaction, header: UploadHeader) -> Model:
        for _ in range(ATTEMPTS):
            model = await transaction.models.get(header.model, lock=True)
            if model is not None:
                return model
            if header.require_model:
                raise ModelNotFound(header.model.name)
            model = new_model(header.model, self._clock())
            if await transaction.models.add(model):
                return model
        raise UploadExpired

    async def _done(self, transaction: Transaction, header: UploadHeader) -> ModelVersion | None:
        """Returns the version that the same request made before."""
        name = await transaction.requests.result(header.once)
        if name is None:
            return None
        return await transaction.versions.get(VersionKey(header.model, int(name.rpartition("/")[2])))

    async def _next_number(self, transaction: Transaction, header: UploadHeader, model: Model | None) -> int:
        if model is None and header.require_model:
            raise ModelNotFound(header.model.name)
        following = await transaction.versions.last_number(header.model) + 1
        wanted = header.number or following
        if wanted != following:
            if await transaction.versions.get(VersionKey(header.model, wanted)) is not None:
                raise ModelVersionExists(header.model.name, wanted)
            raise ModelVersionOutOfOrder(header.model.name, wanted, following)
        return following


def _numbered(version: ModelVersion, number: int) -> ModelVersion:
    return replace(version, key=VersionKey(version.key.model, number))
