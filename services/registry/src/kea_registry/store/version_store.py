"""Versions in the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from kea_core.change_feed import ChangeFeed
from kea_core.clock import as_utc
from kea_openapi import signature
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kea_registry.domain.errors import UploadExpired
from kea_registry.domain.model import ModelKey
from kea_registry.domain.model_version import Framework, ModelVersion, VersionKey
from kea_registry.store.rows import insert_or
from kea_registry.store.tables import ARTIFACT_CLAIMS, MODEL_VERSIONS, VERSION_COUNTERS

COLLECTION = "model_versions"


class SqlVersionStore:
    """`VersionStore` within one session."""

    def __init__(self, session: AsyncSession, feed: ChangeFeed) -> None:
        self._session = session
        self._feed = feed

    async def get(self, key: VersionKey) -> ModelVersion | None:
        """Returns a version."""
        row = (await self._session.execute(sa.select(MODEL_VERSIONS).where(*_is(key)))).one_or_none()
        return None if row is None else _version(row)

    async def page(self, model: ModelKey, before: int | None, size: int) -> list[ModelVersion]:
        """Returns versions of a model, newest first."""
        query = (
            sa.select(MODEL_VERSIONS)
            .where(MODEL_VERSIONS.c.project == model.project, MODEL_VERSIONS.c.model == model.model)
            .order_by(MODEL_VERSIONS.c.number.desc())
            .limit(size)
        )
        if before is not None:
            query = query.where(MODEL_VERSIONS.c.number < before)
        return [_version(row) for row in await self._session.execute(query)]

    async def numbers(self, model: ModelKey) -> list[int]:
        """Returns the numbers there are, newest first."""
        query = (
            sa.select(MODEL_VERSIONS.c.number)
            .where(MODEL_VERSIONS.c.project == model.project, MODEL_VERSIONS.c.model == model.model)
            .order_by(MODEL_VERSIONS.c.number.desc())
        )
        return list((await self._session.execute(query)).scalars())

    async def last_number(self, model: ModelKey) -> int:
        """Returns the highest number ever given."""
        table = VERSION_COUNTERS
        query = sa.select(table.c.last_number).where(table.c.project == model.project, table.c.model == model.model)
        return (await self._session.execute(query)).scalar() or 0

    async def add(self, version: ModelVersion, claim: str) -> None:
        """Adds a version."""
        given_up = sa.delete(ARTIFACT_CLAIMS).where(ARTIFACT_CLAIMS.c.claim == claim).returning(ARTIFACT_CLAIMS.c.claim)
        model, number = version.key.model, version.key.number
        counter = {"project": model.project, "model": model.model, "last_number": number}
        await insert_or(self._session, VERSION_COUNTERS, counter, {"last_number": number})
        try:
            await self._session.execute(sa.insert(MODEL_VERSIONS).values(_row(version)))
        except IntegrityError as error:
            raise UploadExpired from error  # its archive's row is gone: the number is the lock's to keep free
        if (await self._session.execute(given_up)).first() is None:
            raise UploadExpired
        await self._feed.record(self._session, COLLECTION, version.key.name)

    async def remove(self, key: VersionKey) -> str:
        """Removes a version."""
        gone = sa.delete(MODEL_VERSIONS).where(*_is(key)).returning(MODEL_VERSIONS.c.sha256)
        sha256 = (await self._session.execute(gone)).scalar_one()
        await self._feed.record(self._session, COLLECTION, key.name, deleted=True)
        return str(sha256)


def _is(key: VersionKey) -> tuple[sa.ColumnElement[bool], ...]:
    table = MODEL_VERSIONS
    return (
        table.c.project == key.model.project,
        table.c.model == key.model.model,
        table.c.number == key.number,
    )


def _row(version: ModelVersion) -> dict[str, Any]:
    return {
        "project": version.key.model.project,
        "model": version.key.model.model,
        "number": version.key.number,
        "framework": version.framework.value,
        "entrypoint": version.entrypoint,
        "signature": signature.to_json(version.signature),
        "requirements": list(version.requirements),
        "description": version.description,
        "sha256": version.sha256,
        "size_bytes": version.size_bytes,
        "create_time": version.create_time,
        "creator": version.creator,
    }


def _version(row: sa.Row[Any]) -> ModelVersion:
    return ModelVersion(
        key=VersionKey(ModelKey(row.project, row.model), row.number),
        framework=Framework(row.framework),
        entrypoint=row.entrypoint,
        signature=signature.from_json(row.signature),
        requirements=tuple(row.requirements),
        description=row.description,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        create_time=as_utc(row.create_time),
        creator=row.creator,
    )
