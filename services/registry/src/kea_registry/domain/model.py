"""A model: a name under which versions are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from kea_core.errors import EtagMismatch, FieldOutOfBounds, FieldViolation

from kea_registry.domain.errors import AliasReserved, ModelAliasNotFound

LATEST = "latest"
"""Stands for the newest version and so is no alias."""
CHANGEABLE = ("display_name", "description")


@dataclass(frozen=True, slots=True, order=True)
class ModelKey:
    """Which model."""

    project: str
    model: str

    @property
    def name(self) -> str:
        """Resource name."""
        return f"projects/{self.project}/models/{self.model}"


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it is between two changes."""

    key: ModelKey
    display_name: str
    description: str
    create_time: datetime
    update_time: datetime
    aliases: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    latest_version: int = 0
    """Number of the newest version there is; 0 where there is none."""
    revision: int = 1
    """Counts changes."""
    managed_by: str = ""
    """The custom resource that manages it, `{namespace}/{name}`; empty: none does."""

    @property
    def etag(self) -> str:
        """Differs after each change, also from those of a model of the same name that was deleted."""
        return f"{int(self.create_time.timestamp() * 1_000_000):x}-{self.revision:x}"

    def check_etag(self, etag: str) -> None:
        """Checks that the caller knows this model as it is; the empty etag always fits.

        Raises:
            EtagMismatch: the caller knows an older one.
        """
        if etag and etag != self.etag:
            raise EtagMismatch(self.key.name)

    def changed(self, now: datetime, **changes: Any) -> Model:
        """Returns the model after a change."""
        return replace(self, revision=self.revision + 1, update_time=max(now, self.update_time), **changes)

    def with_alias(self, alias: str, version: int, now: datetime) -> Model:
        """Returns the model with an alias that stands for a version.

        Raises:
            AliasReserved: the alias means something of its own.
        """
        if alias == LATEST:
            raise AliasReserved(alias)
        return self.changed(now, aliases={**self.aliases, alias: version})

    def without_alias(self, alias: str, now: datetime) -> Model:
        """Returns the model without an alias.

        Raises:
            ModelAliasNotFound: it has none of that name.
        """
        if alias not in self.aliases:
            raise ModelAliasNotFound(self.key.name, alias)
        return self.changed(now, aliases={name: number for name, number in self.aliases.items() if name != alias})


def new_model(
    key: ModelKey, now: datetime, display_name: str = "", description: str = "", *, managed_by: str = ""
) -> Model:
    """Returns a model that is new; its display name is its id where none is given."""
    return Model(
        key,
        checked("model.display_name", display_name) or key.model,
        checked("model.description", description),
        now,
        now,
        managed_by=managed_by,
    )


def checked(where: str, text: str) -> str:
    """Returns a text that every database can keep.

    Raises:
        FieldOutOfBounds: it has a NUL character.
    """
    if "\0" in text:
        raise FieldOutOfBounds([FieldViolation(where, "has a NUL character; expected none")])
    return text
