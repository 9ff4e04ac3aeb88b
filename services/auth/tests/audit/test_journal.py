from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from audit_batches import START, Clock, OpenChain, batch_of, request
from kea_auth.audit import journal as journal_module
from kea_auth.audit.chain import Chain
from kea_auth.audit.journal import Journal, JournalFailedError, JournalFullError, JournalMetrics
from kea_auth.audit.otlp_scan import BatchMalformedError
from kea_auth.audit.segment import segment_path, walk
from kea_core.task_scope import TaskScope
from prometheus_client import CollectorRegistry


@asynccontextmanager
async def running(chain: Chain, clock: Clock) -> AsyncGenerator[tuple[Journal, CollectorRegistry], None]:
    metrics = CollectorRegistry()
    journal = Journal(chain, JournalMetrics(metrics), clock, commit_seconds=0.001)
    async with asyncio.timeout(20), TaskScope() as tasks:
        tasks.create_task(journal.run(), name="journal")
        yield journal, metrics
    await journal.close()


def dropped(metrics: CollectorRegistry, reason: str) -> float | None:
    return metrics.get_sample_value("kea_audit_dropped_total", {"reason": reason})


async def test_many_batches_share_what_one_costs(
    open_chain: OpenChain, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = 0
    real = os.fdatasync

    def counted(file: int) -> None:
        nonlocal synced
        synced += 1
        real(file)

    monkeypatch.setattr(os, "fdatasync", counted)
    chain = open_chain()
    async with running(chain, clock) as (journal, metrics):
        await asyncio.gather(*(journal.add(batch_of(request(START, a=str(n)), request(START))) for n in range(100)))
        assert metrics.get_sample_value("kea_audit_records_total") == 200
    assert synced < 10
    assert walk(segment_path(chain.directory, 1)).events == 200


async def test_what_was_added_is_written_when_it_ends(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain()
    async with running(chain, clock) as (journal, _):
        adding = asyncio.ensure_future(journal.add(batch_of(request(START))))
        await asyncio.sleep(0)
    await adding
    assert walk(segment_path(chain.directory, 1)).events == 1


async def test_what_is_no_batch_is_refused_and_what_is_empty_takes_no_room(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain()
    before = chain.position
    async with running(chain, clock) as (journal, metrics):
        with pytest.raises(BatchMalformedError):
            await journal.add(b"\xff")
        await journal.add(b"")
        assert dropped(metrics, "malformed") == 1
    assert chain.position == before


async def test_more_than_fits_is_refused_and_counted_and_what_waits_is_kept(
    open_chain: OpenChain, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = batch_of(request(START), request(START))
    monkeypatch.setattr(journal_module, "MOST_WAITING_BYTES", len(content) * 3)
    async with running(open_chain(), clock) as (journal, metrics):
        results = await asyncio.gather(*(journal.add(content) for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [type(None)] * 3 + [JournalFullError] * 2
        assert dropped(metrics, "full") == 4
        await journal.add(content)


async def test_a_disk_that_fails_is_told_and_what_comes_later_is_kept(
    open_chain: OpenChain, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(file: int) -> None:
        raise OSError(5, "Input/output error")

    chain = open_chain()
    async with running(chain, clock) as (journal, metrics):
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", failing)
            with pytest.raises(JournalFailedError):
                await journal.add(batch_of(request(START)))
        assert dropped(metrics, "disk") == 1
        await journal.add(batch_of(request(START, a="b")))
    found = walk(segment_path(chain.directory, 1))
    assert (found.problem, found.events) == ("", 1)


async def test_events_deleted_before_their_time_are_counted(open_chain: OpenChain, clock: Clock) -> None:
    async with running(open_chain(segment_bytes=1000, max_bytes=3000), clock) as (journal, metrics):
        for _ in range(30):
            clock.pass_seconds(1)
            await journal.add(batch_of(request(clock.now)))
        await journal.upkeep()
        assert (dropped(metrics, "space") or 0) > 0
