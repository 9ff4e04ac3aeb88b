"""What the use cases need of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from kea_core.change_feed import Change, Synced
from kea_core.pages import Page

from kea_deployer.domain.deployment import Deployment, ModelVersion
from kea_deployer.domain.log_line import LogLine
from kea_deployer.domain.operation import Operation


class ModelVersions(Protocol):
    """Knows model versions."""

    async def get(self, name: str) -> ModelVersion:
        """Returns the version a name stands for; its number may be an alias or `latest`."""
        ...


class DeploymentTransaction(Protocol):
    """One transaction. Everything written is seen whole or not at all."""

    async def get(self, name: str) -> Deployment | None:
        """Returns the deployment, or None."""
        ...

    async def page(self, project: str, page: Page) -> list[Deployment]:
        """Returns up to `page.size` + 1 deployments of a project by name: one more tells that there is a next page."""
        ...

    async def all(self) -> list[Deployment]:
        """Returns the deployments of all projects."""
        ...

    async def add(self, deployment: Deployment) -> Deployment:
        """Adds a deployment; returns it with its revision.

        Raises:
            DeploymentExists: the name is taken.
        """
        ...

    async def replace(self, deployment: Deployment, *, wanted: bool) -> Deployment:
        """Writes a deployment that is there; where `wanted` has changed, with a new etag."""
        ...

    async def remove(self, name: str) -> None:
        """Removes a deployment that is there."""
        ...

    async def operation(self, name: str) -> Operation | None:
        """Returns an operation, or None."""
        ...

    async def operation_page(self, project: str, page: Page) -> list[Operation]:
        """Returns up to `page.size` + 1 operations of a project by name."""
        ...

    async def unfinished(self, deployment: str) -> list[Operation]:
        """Returns the operations on a deployment that have not ended, oldest first."""
        ...

    async def put_operation(self, operation: Operation) -> None:
        """Writes an operation, new or not."""
        ...

    async def remove_operation(self, name: str) -> None:
        """Removes an operation that is there."""
        ...

    async def result(self, request_id: str, digest: str) -> str | None:
        """Returns what the same request made before (`kea_core.idempotency`)."""
        ...

    async def remember(self, request_id: str, digest: str, result: str) -> None:
        """Notes what a request made."""
        ...


class DeploymentStore(Protocol):
    """Keeps deployments and the operations on them."""

    def transaction(self, *, commit: bool = True) -> AbstractAsyncContextManager[DeploymentTransaction]:
        """Opens a transaction; without `commit` it is undone at its end (`validate_only`)."""
        ...

    def reading(self) -> AbstractAsyncContextManager[DeploymentTransaction]:
        """Opens a transaction that only reads."""
        ...

    def watch(self, since: int) -> AsyncIterator[Change | Synced]:
        """Follows the changes of all deployments."""
        ...

    def next_change(self) -> asyncio.Event:
        """Returns what is set when this process changes something next; take it before reading what may change."""
        ...


class Logs(Protocol):
    """What replicas wrote."""

    async def tail(self, key: str, lines: int) -> Sequence[LogLine]:
        """Returns a deployment's last lines, oldest first."""
        ...

    def follow(self, key: str, lines: int, there: Callable[[], Awaitable[bool]]) -> AsyncIterator[Sequence[LogLine]]:
        """Yields the last lines, oldest first, and then those to come, until the deployment is not `there` any more."""
        ...
