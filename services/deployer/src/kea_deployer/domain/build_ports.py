"""What builds need of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from typing import Protocol

from kea_core.pages import Page

from kea_deployer.domain.build import Build, Product
from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.domain.log_line import LogLine


class BuildTransaction(Protocol):
    """One transaction. Everything written is seen whole or not at all."""

    async def get(self, name: str) -> Build | None:
        """Returns the build, or None."""
        ...

    async def page(self, project: str, page: Page) -> list[Build]:
        """Returns up to `page.size` + 1 builds of a project, newest first, without their locks."""
        ...

    async def queued(self) -> list[Build]:
        """Returns the builds of all projects that wait, oldest first."""
        ...

    async def running(self) -> list[Build]:
        """Returns the builds of all projects that run, oldest first."""
        ...

    async def names(self) -> list[str]:
        """Returns the names of all builds of all projects."""
        ...

    async def ended_before(self, moment: datetime) -> list[Build]:
        """Returns the builds that had ended before a moment, without their locks."""
        ...

    async def add(self, build: Build) -> None:
        """Adds a build."""
        ...

    async def replace(self, build: Build) -> None:
        """Writes a build that is there."""
        ...

    async def remove(self, name: str) -> None:
        """Removes a build that is there."""
        ...

    async def of_operation(self, operation: str) -> Build | None:
        """Returns the build that an operation is of, or None."""
        ...

    async def operation_page(self, project: str, page: Page) -> list[Build]:
        """Returns up to `page.size` + 1 builds of a project by their operations' names, without their locks."""
        ...

    async def result(self, request_id: str, digest: str) -> str | None:
        """Returns what the same request made before (`kea_core.idempotency`)."""
        ...

    async def remember(self, request_id: str, digest: str, result: str) -> None:
        """Notes what a request made."""
        ...


class BuildStore(Protocol):
    """Keeps builds."""

    def transaction(self, *, commit: bool = True) -> AbstractAsyncContextManager[BuildTransaction]:
        """Opens a transaction, one at a time; without `commit` it is undone at its end (`validate_only`)."""
        ...

    def reading(self) -> AbstractAsyncContextManager[BuildTransaction]:
        """Opens a transaction that only reads."""
        ...

    def next_change(self) -> asyncio.Event:
        """Returns what is set when this process changes something next; take it before reading what may change."""
        ...


Seal = Callable[[], AbstractContextManager[None]]
"""Gives what is held while a build is not cancelled; where it was before, that ends it."""


class Workshop(Protocol):
    """Where images are made."""

    def platforms(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Returns what an image is made for: what is wanted, each once, or what is set.

        Raises:
            BuildPlatformUnsupported: no image can be made for one.
            ImagesNotConfigured: no images are made here.
        """
        ...

    def destination(self, model: ModelVersion) -> str:
        """Returns where a model version's image goes.

        Raises:
            ImagesNotConfigured: no images are made here.
        """
        ...

    async def make(
        self, build: Build, *, note: Callable[[str], None], step: Callable[[str], None], seal: Seal
    ) -> Product:
        """Makes an image and brings it into the registry. Where it is cancelled, nothing is left of it.

        Args:
            build: what to make.
            note: told of each line worth keeping.
            step: told what is under way, for people; often.
            seal: held while the tag is pushed, which is last.

        Raises:
            BuildRefusal: it cannot be made, and trying the same again cannot help.
        """
        ...


class BuildRefusal(Exception):
    """An image cannot be made.

    Args:
        reason: becomes the build's.
        message: why, for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BuildLogs(Protocol):
    """What builds have to tell."""

    async def tail(self, key: str, lines: int) -> Sequence[LogLine]:
        """Returns a build's last lines, oldest first."""
        ...

    def follow(self, name: str, key: str, lines: int) -> AsyncIterator[Sequence[LogLine]]:
        """Yields the last lines, oldest first, and then those to come, until the build has ended or is gone."""
        ...
