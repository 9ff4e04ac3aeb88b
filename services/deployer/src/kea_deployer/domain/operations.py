"""What may be done with operations."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from kea_core.pages import Page

from kea_deployer.domain.build import Build
from kea_deployer.domain.build_errors import BuildEnded
from kea_deployer.domain.build_ports import BuildStore
from kea_deployer.domain.builds import Builds
from kea_deployer.domain.deployment import Deployment
from kea_deployer.domain.errors import OperationCancelUnsupported, OperationNotDone, OperationNotFound
from kea_deployer.domain.operation import Operation
from kea_deployer.domain.ports import DeploymentStore, DeploymentTransaction

POLL_SECONDS = 0.5
"""How soon the end of an operation is noticed that another process brought about."""


Entry = tuple[Operation, Deployment | None] | Build
"""An operation with its deployment, or None where that is gone; or a build, which is its own operation."""


class Operations:
    """The use cases.

    Args:
        store: keeps deployments and the operations on them.
        build_store: keeps builds.
        builds: what may be done with those.
        monotonic: tells how time passes.
    """

    def __init__(
        self,
        store: DeploymentStore,
        build_store: BuildStore,
        builds: Builds,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._build_store = build_store
        self._builds = builds
        self._monotonic = monotonic

    async def get(self, name: str) -> Entry:
        """Returns an operation.

        Raises:
            OperationNotFound: there is none.
        """
        async with self._build_store.reading() as builds:
            build = await builds.of_operation(name)
        if build is not None:
            return build
        async with self._store.reading() as transaction:
            operation = await _found(transaction, name)
            return operation, await transaction.get(operation.deployment)

    async def list(self, project: str, page: Page) -> tuple[Sequence[Entry], bool]:
        """Returns a page of a project's operations by name, and whether more follow."""
        async with self._build_store.reading() as builds:
            of_builds = await builds.operation_page(project, page)
        async with self._store.reading() as transaction:
            others = await transaction.operation_page(project, page)
            found = sorted([*of_builds, *others], key=operation_name)
            shown: list[Entry] = [
                entry if isinstance(entry, Build) else (entry, await transaction.get(entry.deployment))
                for entry in found[: page.size]
            ]
        return shown, len(found) > page.size

    async def wait(self, name: str, seconds: float) -> Entry:
        """Returns an operation when it is done, or has come to another step, or the time is over.

        Raises:
            OperationNotFound: there is none.
        """
        until = self._monotonic() + seconds
        first_step: str | None = None
        while True:
            changes = self._store.next_change(), self._build_store.next_change()
            entry = await self.get(name)
            done, step = _progress(entry)
            first_step = step if first_step is None else first_step
            left = until - self._monotonic()
            if done or step != first_step or left <= 0:
                return entry
            changed = changes[isinstance(entry, Build)]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, POLL_SECONDS)):
                    await changed.wait()

    async def cancel(self, name: str) -> None:
        """Cancels an operation, if it can still be: that it was tried is no error (AIP-151).

        Raises:
            OperationNotFound: there is none.
            OperationCancelUnsupported: it is one on a deployment.
        """
        entry = await self.get(name)
        if not isinstance(entry, Build):
            raise OperationCancelUnsupported
        with contextlib.suppress(BuildEnded):
            await self._builds.cancel(entry.name)

    async def delete(self, name: str) -> None:
        """Forgets an operation that has ended; a build stays.

        Raises:
            OperationNotFound: there is none.
            OperationNotDone: it has not ended.
        """
        async with self._build_store.transaction() as builds:
            build = await builds.of_operation(name)
            if build is not None:
                if not build.ended:
                    raise OperationNotDone(name)
                await builds.replace(replace(build, operation=""))
                return
        async with self._store.transaction() as transaction:
            if not (await _found(transaction, name)).done:
                raise OperationNotDone(name)
            await transaction.remove_operation(name)


def operation_name(entry: Operation | Build) -> str:
    """Returns the name of an operation, or of that of a build."""
    return entry.operation if isinstance(entry, Build) else entry.name


def _progress(entry: Entry) -> tuple[bool, str]:
    """Returns whether an operation is done, and the step it is at."""
    if isinstance(entry, Build):
        return entry.ended, entry.step
    operation, deployment = entry
    return operation.done, "" if deployment is None else deployment.status.step


async def _found(transaction: DeploymentTransaction, name: str) -> Operation:
    operation = await transaction.operation(name)
    if operation is None:
        raise OperationNotFound(name)
    return operation
