"""Batches on their way to the disk: many wait for one `fsync` together, and none is acknowledged before it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from kea_auth.audit.chain import Batch, Chain, Position
from kea_auth.audit.otlp_scan import scan

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_WAITING_BYTES = 64 * 1024 * 1024
"""Bytes of batches that may wait for the disk; further ones are refused, and their senders may try again."""
LARGEST_BATCH_BYTES = 4 * 1024 * 1024


class JournalFullError(Exception):
    """Too much waits for the disk."""


class JournalFailedError(Exception):
    """The disk does not take it."""


class JournalMetrics:
    """What has come in and what was lost."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.kept = Counter("kea_audit_records", "Audit events that are on the disk.", registry=registry)
        self.dropped = Counter(
            "kea_audit_dropped",
            "Audit events that were refused or deleted before their time. Who sends may try again.",
            ("reason",),
            registry=registry,
        )
        for reason in ("full", "disk", "malformed", "space"):
            self.dropped.labels(reason)  # a counter that is not there yet cannot be seen to rise
        self.bytes = Gauge("kea_audit_written_bytes", "Bytes of the segment that is written.", registry=registry)


class Journal:
    """Keeps batches.

    Args:
        chain: where they are written; the journal's from now on.
        now: nanoseconds since 1970.
        commit_seconds: how long a batch waits for others, so that they share one `fsync`.
    """

    def __init__(
        self, chain: Chain, metrics: JournalMetrics, now: Callable[[], int], *, commit_seconds: float = 0.02
    ) -> None:
        self._chain = chain
        self._metrics = metrics
        self._now = now
        self._commit_seconds = commit_seconds
        self._waiting: list[tuple[Batch, asyncio.Future[None]]] = []
        self._waiting_bytes = 0
        self._wanted = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")

    @property
    def position(self) -> tuple[str, Position]:
        """The chain that is written, and how far."""
        return self._chain.directory.name, self._chain.position

    async def add(self, content: bytes) -> None:
        """Returns once a batch is safe.

        Raises:
            BatchMalformedError: it is none.
            JournalFullError: too much waits already.
            JournalFailedError: it could not be written.
        """
        try:
            batch = Batch(content, scan(content), self._now())
        except ValueError:
            self._metrics.dropped.labels("malformed").inc()
            raise
        if not batch.scan.events:
            return
        if self._waiting_bytes + len(content) > MOST_WAITING_BYTES:
            self._metrics.dropped.labels("full").inc(batch.scan.events)
            raise JournalFullError
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, done))
        self._waiting_bytes += len(content)
        self._wanted.set()
        await done

    async def run(self) -> None:
        """Writes what is added, for ever; when it is cancelled, what has been added by then is written first."""
        try:
            while True:
                await self._wanted.wait()
                await asyncio.sleep(self._commit_seconds)
                await self._write()
        finally:
            await asyncio.shield(self._write())

    async def upkeep(self) -> None:
        """Closes and deletes segments whose time has come."""
        retired = await self._in_thread(self._chain.upkeep)
        if retired.early_events:
            self._metrics.dropped.labels("space").inc(retired.early_events)
            log.error("audit events deleted before their time: no room", extra={"events": retired.early_events})

    async def close(self) -> None:
        """Lets go of the chain; nothing may be added any more."""
        await self._in_thread(self._chain.close)
        self._thread.shutdown()

    async def _write(self) -> None:
        self._wanted.clear()
        group, self._waiting = self._waiting, []
        if not group:
            return
        try:
            await self._in_thread(lambda: self._chain.write([batch for batch, _ in group]))
        except OSError as error:
            log.exception("audit events not written")
            self._metrics.dropped.labels("disk").inc(sum(batch.scan.events for batch, _ in group))
            failure = JournalFailedError(str(error))
            for _, done in group:
                if not done.done():
                    done.set_exception(failure)
        else:
            self._metrics.kept.inc(sum(batch.scan.events for batch, _ in group))
            self._metrics.bytes.set(self._chain.position.end)
            for _, done in group:
                if not done.done():  # who sent it may be gone
                    done.set_result(None)
        finally:
            self._waiting_bytes -= sum(len(batch.content) for batch, _ in group)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
