"""Models in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from kea_core.audit_call import changed
from kea_core.clock import as_utc
from kea_core.database import among
from kea_core.pages import Page
from sqlalchemy.ext.asyncio import AsyncSession

from kea_registry.domain.model import Model, ModelKey
from kea_registry.store.rows import insert_or
from kea_registry.store.tables import MODEL_ALIASES, MODELS


class SqlModelStore:
    """`ModelStore` within one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, key: ModelKey, *, lock: bool = False) -> Model | None:
        """Returns a model."""
        query = sa.select(MODELS).where(*_is(MODELS, key))
        if lock:
            query = query.with_for_update()  # SQLite has none and needs none: its transactions write one at a time
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        return _model(row, (await self._aliases(key.project, [key.model])).get(key.model, {}))

    async def page(self, project: str, page: Page) -> list[Model]:
        """Returns up to `page.size` + 1 models of a project by id."""
        shown = None if page.only is None else frozenset(name.rpartition("/")[2] for name in page.only)
        query = (
            sa.select(MODELS)
            .where(MODELS.c.project == project, MODELS.c.model > page.after, among(MODELS.c.model, shown))
            .order_by(MODELS.c.model)
            .limit(page.size + 1)
        )
        rows = (await self._session.execute(query)).all()
        aliases = await self._aliases(project, [row.model for row in rows])
        return [_model(row, aliases.get(row.model, {})) for row in rows]

    async def add(self, model: Model) -> bool:
        """Adds a model without aliases."""
        changed(model.key.name)
        return await insert_or(self._session, MODELS, _key(model.key) | _values(model))

    async def save(self, model: Model) -> None:
        """Writes a model."""
        changed(model.key.name)
        await self._session.execute(sa.update(MODELS).where(*_is(MODELS, model.key)).values(_values(model)))
        await self._session.execute(sa.delete(MODEL_ALIASES).where(*_is(MODEL_ALIASES, model.key)))
        rows = [_key(model.key) | {"alias": alias, "number": number} for alias, number in model.aliases.items()]
        if rows:
            await self._session.execute(sa.insert(MODEL_ALIASES), rows)

    async def remove(self, key: ModelKey) -> None:
        """Removes a model."""
        changed(key.name, deleted=True)
        await self._session.execute(sa.delete(MODELS).where(*_is(MODELS, key)))

    async def _aliases(self, project: str, models: Sequence[str]) -> dict[str, dict[str, int]]:
        query = sa.select(MODEL_ALIASES).where(MODEL_ALIASES.c.project == project, MODEL_ALIASES.c.model.in_(models))
        found: dict[str, dict[str, int]] = {}
        for row in await self._session.execute(query):
            found.setdefault(row.model, {})[row.alias] = row.number
        return found


def _is(table: sa.Table, key: ModelKey) -> tuple[sa.ColumnElement[bool], ...]:
    return (table.c.project == key.project, table.c.model == key.model)


def _key(key: ModelKey) -> dict[str, Any]:
    return {"project": key.project, "model": key.model}


def _values(model: Model) -> dict[str, Any]:
    return {
        "display_name": model.display_name,
        "description": model.description,
        "latest_version": model.latest_version,
        "revision": model.revision,
        "create_time": model.create_time,
        "update_time": model.update_time,
        "managed_by": model.managed_by,
    }


def _model(row: sa.Row[Any], aliases: Mapping[str, int]) -> Model:
    return Model(
        key=ModelKey(row.project, row.model),
        display_name=row.display_name,
        description=row.description,
        create_time=as_utc(row.create_time),
        update_time=as_utc(row.update_time),
        aliases=aliases,
        latest_version=row.latest_version,
        revision=row.revision,
        managed_by=row.managed_by,
    )
