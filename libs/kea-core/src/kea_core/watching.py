"""Following another service's changes for ever, through its restarts and our own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import grpc

from kea_core import status
from kea_core.errors import RevisionExpired

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


async def follow(
    name: str,
    watch: Callable[[int], AsyncIterator[int]],
    *,
    since: int = 0,
    forget: Callable[[], None] | None = None,
) -> None:
    """Runs `watch(revision)` again and again, from the last revision it yielded; returns never.

    Args:
        name: of what is watched, for the log.
        watch: opens the stream after a revision, applies each message and then yields its revision.
        since: the revision to begin after; 0 for everything.
        forget: called before a watch from 0 that follows one from elsewhere, so that what is gone goes.
    """
    revision, pause = since, FIRST_PAUSE_SECONDS
    while True:
        try:
            async for seen in watch(revision):
                revision = seen
                pause = FIRST_PAUSE_SECONDS
            problem = "stream ended"
        except grpc.aio.AioRpcError as error:
            problem = f"{error.code().name}: {error.details()}"
            info = status.error_info(error)
            if info is not None and info.reason == RevisionExpired.reason:
                revision = 0
                if forget is not None:
                    forget()
        log.info("watch interrupted", extra={"watched": name, "revision": revision, "problem": problem})
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
