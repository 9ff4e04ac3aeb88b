"""What may be done with the history of endpoints."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kea_core.clock import Clock
from kea_core.errors import PageTokenInvalid
from kea_core.pages import Page

from kea_router.domain.endpoint import Endpoint
from kea_router.domain.errors import EndpointNotFound
from kea_router.domain.ports import EndpointStore, EndpointTransaction
from kea_router.domain.revision import KEPT, EndpointRevision, Served, is_outdated, same_content

NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class Revisions:
    """The use cases; each is one transaction."""

    def __init__(self, store: EndpointStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self, endpoint: str, page: Page) -> tuple[Sequence[EndpointRevision], bool]:
        """Returns a page of an endpoint's revisions, newest first, and whether more follow.

        Raises:
            EndpointNotFound: there is no such endpoint.
            PageTokenInvalid: the page does not begin after a number.
        """
        if page.after and not NUMBER.fullmatch(page.after):
            raise PageTokenInvalid
        before = int(page.after) if page.after else None
        async with self._store.reading() as transaction:
            if await transaction.get(endpoint) is None:
                raise EndpointNotFound(endpoint)
            found = await transaction.revisions(endpoint, before=before, count=page.size + 1)
        return found[: page.size], len(found) > page.size

    async def record(self, endpoint: Endpoint, parts: tuple[Served, ...]) -> None:
        """Keeps what an endpoint serves, unless that is what it served last.

        Several routers may see the same, at different times: what one has seen late is not kept once more.
        """
        async with self._store.reading() as transaction:  # a router that starts asks of every endpoint: locks nothing
            if await _next_number(transaction, endpoint, parts) is None:
                return
        async with self._store.transaction() as transaction:
            number = await _next_number(transaction, endpoint, parts)  # again, now that nobody else writes
            if number is None:
                return
            await transaction.add_revision(EndpointRevision(endpoint.name, number, parts, self._clock()))
            await transaction.forget_revisions(endpoint.name, upto=number - KEPT)


async def _next_number(transaction: EndpointTransaction, endpoint: Endpoint, parts: tuple[Served, ...]) -> int | None:
    """Returns the number of the revision to be kept; None where none is."""
    now = await transaction.get(endpoint.name)
    if now is None or now.targets != endpoint.targets:
        return None
    newest = next(iter(await transaction.revisions(endpoint.name, before=None, count=1)), None)
    if newest is None:
        return 1
    if same_content(newest.targets, parts) or is_outdated(parts, newest.targets):
        return None
    return newest.number + 1
