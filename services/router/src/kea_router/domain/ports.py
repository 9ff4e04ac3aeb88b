"""What the use cases need of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from kea_core.change_feed import Change, Synced
from kea_core.pages import Page

from kea_router.domain.endpoint import Endpoint
from kea_router.domain.revision import EndpointRevision


class EndpointTransaction(Protocol):
    """One transaction on endpoints. Everything written is seen whole or not at all."""

    async def get(self, name: str) -> Endpoint | None:
        """Returns the endpoint, or None."""
        ...

    async def page(self, project: str, page: Page) -> list[Endpoint]:
        """Returns up to `page.size` + 1 endpoints of a project by name: one more tells that there is a next page."""
        ...

    async def add(self, endpoint: Endpoint) -> Endpoint:
        """Adds an endpoint; returns it with its revision.

        Raises:
            EndpointExists: the name is taken.
        """
        ...

    async def replace(self, endpoint: Endpoint) -> Endpoint:
        """Writes an endpoint that is there; returns it with its new revision."""
        ...

    async def remove(self, name: str) -> None:
        """Removes an endpoint that is there, and its revisions."""
        ...

    async def revisions(self, endpoint: str, *, before: int | None, count: int) -> list[EndpointRevision]:
        """Returns up to `count` revisions of an endpoint, newest first; with `before`, of lower numbers."""
        ...

    async def add_revision(self, revision: EndpointRevision) -> None:
        """Adds a revision."""
        ...

    async def forget_revisions(self, endpoint: str, *, upto: int) -> None:
        """Removes an endpoint's revisions up to a number, and that one."""
        ...

    async def result(self, request_id: str, digest: str) -> str | None:
        """Returns what the same request made before (`kea_core.idempotency`)."""
        ...

    async def remember(self, request_id: str, digest: str, result: str) -> None:
        """Notes what a request made."""
        ...


class EndpointStore(Protocol):
    """Keeps endpoints."""

    def transaction(self, *, commit: bool = True) -> AbstractAsyncContextManager[EndpointTransaction]:
        """Opens a transaction; without `commit` it is undone at its end (`validate_only`).

        Nobody else writes before it ends.
        """
        ...

    def reading(self) -> AbstractAsyncContextManager[EndpointTransaction]:
        """Opens a transaction that only reads."""
        ...

    def watch(self, since: int) -> AsyncIterator[Change | Synced]:
        """Follows the changes of all endpoints."""
        ...
