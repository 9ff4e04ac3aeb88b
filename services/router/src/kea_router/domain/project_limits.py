"""What may be done with the limits of projects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from kea_core.change_feed import Change, Synced
from kea_core.clock import Clock
from kea_core.errors import EtagMismatch, UpdateMaskInvalid

from kea_router.domain.limits import ProjectLimits

MUTABLE = ("total", "max_concurrent_requests")


class ProjectLimitsTransaction(Protocol):
    """One transaction on the limits of projects. Everything written is seen whole or not at all."""

    async def get(self, project: str) -> ProjectLimits:
        """Returns a project's limits; those of one for which nothing was ever set are empty."""
        ...

    async def all(self) -> list[ProjectLimits]:
        """Returns those that were ever set, by project."""
        ...

    async def put(self, limits: ProjectLimits) -> ProjectLimits:
        """Writes a project's limits; returns them with their new revision."""
        ...


class ProjectLimitsStore(Protocol):
    """Keeps the limits of projects."""

    def transaction(self, *, commit: bool = True) -> AbstractAsyncContextManager[ProjectLimitsTransaction]:
        """Opens a transaction; without `commit` it is undone at its end. Nobody else writes before it ends."""
        ...

    def reading(self) -> AbstractAsyncContextManager[ProjectLimitsTransaction]:
        """Opens a transaction that only reads."""
        ...

    def watch(self, since: int) -> AsyncIterator[Change | Synced]:
        """Follows the changes of the limits of all projects."""
        ...


class LimitsOfProjects:
    """The use cases; each is one transaction."""

    def __init__(self, store: ProjectLimitsStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def get(self, project: str) -> ProjectLimits:
        """Returns a project's limits."""
        async with self._store.reading() as transaction:
            return await transaction.get(project)

    async def all(self) -> list[ProjectLimits]:
        """Returns those that were ever set, by project."""
        async with self._store.reading() as transaction:
            return await transaction.all()

    async def update(
        self, wanted: ProjectLimits, paths: Sequence[str], *, etag: str, validate_only: bool
    ) -> ProjectLimits:
        """Changes the parts of a project's limits that `paths` name; none named means all that are set.

        Raises:
            EtagMismatch: they have changed since the caller read them.
            UpdateMaskInvalid: a path cannot be changed.
            LimitInvalid: a limit is out of its bounds.
        """
        for path in paths:
            if path not in (*MUTABLE, "*"):
                raise UpdateMaskInvalid(path, MUTABLE)
        wanted.check("project_limits")
        named = MUTABLE if "*" in paths else paths or [part for part in MUTABLE if getattr(wanted, part)]
        async with self._store.transaction(commit=not validate_only) as transaction:
            limits = await transaction.get(wanted.project)
            if etag and etag != limits.etag:
                raise EtagMismatch(limits.name)
            changed = replace(limits, **{part: getattr(wanted, part) for part in named})
            if changed == limits:
                return limits
            return await transaction.put(replace(changed, update_time=self._clock()))
