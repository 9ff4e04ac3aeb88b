"""Use cases of versions that are there."""

from __future__ import annotations

from collections.abc import AsyncIterator

from kea_core.clock import Clock
from kea_core.pages import Page

from kea_registry.domain.archives import Archives
from kea_registry.domain.errors import ModelAliasNotFound, ModelVersionAliased, ModelVersionNotFound
from kea_registry.domain.model import LATEST, Model, ModelKey
from kea_registry.domain.model_version import ModelVersion, VersionKey
from kea_registry.domain.models import changeable, found
from kea_registry.domain.ports import Artifacts, Storage, Transaction, VersionChange


class ModelVersions:
    """Reads, deletes and follows versions."""

    def __init__(self, storage: Storage, artifacts: Artifacts, archives: Archives, *, clock: Clock) -> None:
        self._storage = storage
        self._artifacts = artifacts
        self._archives = archives
        self._clock = clock

    async def get(self, model: ModelKey, version: str) -> ModelVersion:
        """Returns a version, by number, alias or `latest`.

        Raises:
            ModelNotFound: there is no such model.
            ModelVersionNotFound: there is no such version.
            ModelAliasNotFound: there is no such alias.
        """
        async with self._storage.reading() as transaction:
            number = _number(await found(transaction, model), version)
            return await _found_version(transaction, VersionKey(model, number))

    async def page(self, model: ModelKey, page: Page) -> tuple[list[ModelVersion], str]:
        """Returns versions, newest first, and the last one's number where there are more.

        Raises:
            ModelNotFound: there is no such model.
        """
        async with self._storage.reading() as transaction:
            await found(transaction, model)
            before = int(page.after) if page.after else None
            versions = await transaction.versions.page(model, before, page.size + 1)
        shown = versions[: page.size]
        return shown, str(shown[-1].key.number) if len(versions) > page.size else ""

    async def delete(self, key: VersionKey, *, dry: bool) -> None:
        """Deletes a version, and its archive where no other has the same.

        Raises:
            ModelNotFound: there is no such model.
            ModelVersionNotFound: there is no such version.
            ModelVersionAliased: an alias stands for it.
            FailedPrecondition: the model is not the caller's to change (`kea_core.managed`).
        """
        async with self._storage.transaction() as transaction:
            model = await changeable(transaction, key.model)
            await _found_version(transaction, key)
            aliases = [alias for alias, number in model.aliases.items() if number == key.number]
            if aliases:
                raise ModelVersionAliased(key.model.name, key.number, aliases)
            if dry:
                return
            sha256 = await transaction.versions.remove(key)
            left = await transaction.versions.page(key.model, None, 1)
            latest = left[0].key.number if left else 0
            await transaction.models.save(model.changed(self._clock(), latest_version=latest))
        await self._archives.discard(sha256)

    async def download(self, key: VersionKey) -> AsyncIterator[bytes]:
        """Yields a version's archive in chunks of at most 1 MiB.

        Raises:
            ModelNotFound: there is no such model.
            ModelVersionNotFound: there is no such version.
            ArtifactCorrupt: at the end, where what was sent is not what was uploaded.
        """
        async with self._storage.reading() as transaction:
            await found(transaction, key.model)
            version = await _found_version(transaction, key)
        async for chunk in self._artifacts.read(version.sha256):
            yield chunk

    def watch(self, since: int) -> AsyncIterator[VersionChange]:
        """Yields every change of versions of all projects after a revision, for ever."""
        return self._storage.watch(since)


def _number(model: Model, version: str) -> int:
    if version.isdecimal():
        return int(version)
    if version == LATEST:
        if not model.latest_version:
            raise ModelVersionNotFound(model.key.name, LATEST)
        return model.latest_version
    if version not in model.aliases:
        raise ModelAliasNotFound(model.key.name, version)
    return model.aliases[version]


async def _found_version(transaction: Transaction, key: VersionKey) -> ModelVersion:
    version = await transaction.versions.get(key)
    if version is None:
        raise ModelVersionNotFound(key.model.name, str(key.number))
    return version
