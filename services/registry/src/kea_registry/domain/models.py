"""Use cases of models."""

from __future__ import annotations

from collections.abc import Mapping

from kea_core.clock import Clock
from kea_core.managed import check_change, check_making
from kea_core.pages import Page

from kea_registry.domain.archives import Archives
from kea_registry.domain.errors import (
    ModelExists,
    ModelHasVersions,
    ModelNotFound,
    ModelVersionNotFound,
    RequestRaced,
)
from kea_registry.domain.model import Model, ModelKey, checked
from kea_registry.domain.model_version import VersionKey
from kea_registry.domain.ports import Once, Storage, Transaction


class Models:
    """Makes, reads, changes and deletes models. `dry` checks everything and changes nothing."""

    def __init__(self, storage: Storage, archives: Archives, *, clock: Clock) -> None:
        self._storage = storage
        self._archives = archives
        self._clock = clock

    async def create(self, model: Model, once: Once, *, dry: bool) -> Model:
        """Makes a model; the same request again gives the first answer again.

        Raises:
            ModelExists: there is one of that name.
            ManagedByReserved: it says that a custom resource manages it, and the caller is not the operator.
        """
        check_making(model.managed_by)
        try:
            return await self._create(model, once, dry=dry)
        except RequestRaced:
            return await self._create(model, once, dry=dry)  # its other half has been done by now

    async def get(self, key: ModelKey) -> Model:
        """Returns a model.

        Raises:
            ModelNotFound: there is none.
        """
        async with self._storage.reading() as transaction:
            return await found(transaction, key)

    async def page(self, project: str, page: Page) -> tuple[list[Model], str]:
        """Returns models by id, and the last one's id where there are more."""
        async with self._storage.reading() as transaction:
            models = await transaction.models.page(project, page)
        shown = models[: page.size]
        return shown, shown[-1].key.model if len(models) > page.size else ""

    async def update(self, key: ModelKey, changes: Mapping[str, str], etag: str, *, dry: bool) -> Model:
        """Changes display name or description.

        Raises:
            ModelNotFound: there is none.
            EtagMismatch: it has changed since the caller read it.
            FailedPrecondition: it is not the caller's to change (`kea_core.managed`).
        """
        values = {name: checked(f"model.{name}", text) for name, text in changes.items()}
        if values.get("display_name") == "":
            values["display_name"] = key.model
        async with self._storage.transaction() as transaction:
            model = await changeable(transaction, key, etag)
            return await self._save(transaction, model.changed(self._clock(), **values), dry=dry)

    async def set_alias(self, key: ModelKey, alias: str, version: int, etag: str, *, dry: bool) -> Model:
        """Points an alias at a version.

        Raises:
            ModelNotFound: there is no such model.
            ModelVersionNotFound: there is no such version.
            AliasReserved: the alias is.
            EtagMismatch: the model has changed since the caller read it.
            FailedPrecondition: it is not the caller's to change (`kea_core.managed`).
        """
        async with self._storage.transaction() as transaction:
            model = await changeable(transaction, key, etag)
            changed = model.with_alias(alias, version, self._clock())
            if await transaction.versions.get(VersionKey(key, version)) is None:
                raise ModelVersionNotFound(key.name, str(version))
            return await self._save(transaction, changed, dry=dry)

    async def delete_alias(self, key: ModelKey, alias: str, etag: str, *, dry: bool) -> Model:
        """Removes an alias.

        Raises:
            ModelNotFound: there is no such model.
            ModelAliasNotFound: it has no such alias.
            EtagMismatch: it has changed since the caller read it.
            FailedPrecondition: it is not the caller's to change (`kea_core.managed`).
        """
        async with self._storage.transaction() as transaction:
            model = await changeable(transaction, key, etag)
            return await self._save(transaction, model.without_alias(alias, self._clock()), dry=dry)

    async def delete(self, key: ModelKey, etag: str, *, force: bool, dry: bool) -> None:
        """Deletes a model, with `force` also its versions.

        Raises:
            ModelNotFound: there is none.
            ModelHasVersions: it has some, and `force` is not given.
            EtagMismatch: it has changed since the caller read it.
            FailedPrecondition: it is not the caller's to change (`kea_core.managed`).
        """
        async with self._storage.transaction() as transaction:
            model = await changeable(transaction, key, etag)
            numbers = await transaction.versions.numbers(key)
            if numbers and not force:
                raise ModelHasVersions(key.name)
            if dry:
                return
            await transaction.models.save(model.changed(self._clock(), aliases={}))  # they hold on to versions
            archives = {await transaction.versions.remove(VersionKey(key, number)) for number in numbers}
            await transaction.models.remove(key)
        for sha256 in sorted(archives):
            await self._archives.discard(sha256)

    async def _create(self, model: Model, once: Once, *, dry: bool) -> Model:
        async with self._storage.transaction() as transaction:
            if await transaction.requests.result(once) is not None:
                return await found(transaction, model.key)
            if not dry:
                # Before any look at models, so that of two equal requests one waits here for the other, and then finds
                # its answer and not its model.
                await transaction.requests.remember(once, model.key.name)
            if await transaction.models.get(model.key) is not None:
                raise ModelExists(model.key.name)
            if dry:
                return model
            if not await transaction.models.add(model):
                raise ModelExists(model.key.name)
            return model

    async def _save(self, transaction: Transaction, model: Model, *, dry: bool) -> Model:
        if not dry:
            await transaction.models.save(model)
        return model


async def found(transaction: Transaction, key: ModelKey, etag: str = "", *, lock: bool = False) -> Model:
    """Returns a model, where it is there and as the caller knows it.

    Raises:
        ModelNotFound: there is none.
        EtagMismatch: it has changed since the caller read it.
    """
    model = await transaction.models.get(key, lock=lock)
    if model is None:
        raise ModelNotFound(key.name)
    model.check_etag(etag)
    return model


async def changeable(transaction: Transaction, key: ModelKey, etag: str = "") -> Model:
    """Returns a model, locked, where it is there, as the caller knows it, and the caller's to change.

    Raises:
        ModelNotFound: there is none.
        EtagMismatch: it has changed since the caller read it.
        FailedPrecondition: it is not the caller's to change (`kea_core.managed`).
    """
    model = await found(transaction, key, etag, lock=True)
    check_change(key.name, model.managed_by)
    return model
