"""What may be done with operations."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from kea_core.pages import Page

from kea_deployer.domain.deployment import Deployment
from kea_deployer.domain.errors import OperationNotDone, OperationNotFound
from kea_deployer.domain.operation import Operation
from kea_deployer.domain.ports import DeploymentStore, DeploymentTransaction

POLL_SECONDS = 0.5
"""How soon the end of an operation is noticed that another process brought about."""


class Operations:
    """The use cases. An operation comes with its deployment, or None where that is gone."""

    def __init__(self, store: DeploymentStore, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic

    async def get(self, name: str) -> tuple[Operation, Deployment | None]:
        """Returns an operation.

        Raises:
            OperationNotFound: there is none.
        """
        async with self._store.reading() as transaction:
            operation = await _found(transaction, name)
            return operation, await transaction.get(operation.deployment)

    async def list(self, project: str, page: Page) -> tuple[Sequence[tuple[Operation, Deployment | None]], bool]:
        """Returns a page of a project's operations, and whether more follow."""
        async with self._store.reading() as transaction:
            found = await transaction.operation_page(project, page)
            shown = [(operation, await transaction.get(operation.deployment)) for operation in found[: page.size]]
        return shown, len(found) > page.size

    async def wait(self, name: str, seconds: float) -> tuple[Operation, Deployment | None]:
        """Returns an operation when it is done, or has come to another step, or the time is over.

        Raises:
            OperationNotFound: there is none.
        """
        until = self._monotonic() + seconds
        first_step: str | None = None
        while True:
            changed = self._store.next_change()
            operation, deployment = await self.get(name)
            step = "" if deployment is None else deployment.status.step
            first_step = step if first_step is None else first_step
            left = until - self._monotonic()
            if operation.done or step != first_step or left <= 0:
                return operation, deployment
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, POLL_SECONDS)):
                    await changed.wait()

    async def delete(self, name: str) -> None:
        """Forgets an operation that has ended.

        Raises:
            OperationNotFound: there is none.
            OperationNotDone: it has not ended.
        """
        async with self._store.transaction() as transaction:
            if not (await _found(transaction, name)).done:
                raise OperationNotDone(name)
            await transaction.remove_operation(name)


async def _found(transaction: DeploymentTransaction, name: str) -> Operation:
    operation = await transaction.operation(name)
    if operation is None:
        raise OperationNotFound(name)
    return operation
