"""Keeping the audit log: everything of it that runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kea.auth.v1 import audit_service_pb2_grpc
from kea_core.audit_outbox import AuditOutbox
from kea_core.audit_reporting import report_to, reporting
from kea_core.audit_trail import Tell
from kea_core.background import repeat
from kea_core.database import Sessions
from kea_core.server import ServedService
from kea_core.task_scope import TaskScope
from kea_core.tls import Tls
from prometheus_client import CollectorRegistry

from kea_auth.audit.audit_servicer import AuditServicer
from kea_auth.audit.chain import Limits, open_chain
from kea_auth.audit.journal import Journal, JournalMetrics
from kea_auth.audit.receiver import serve_receiver
from kea_auth.audit.search import Log
from kea_auth.audit.settings import AuditSettings

SOURCE = "auth"
UPKEEP_SECONDS = 60.0
NANOSECONDS = 10**9


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit log, as the rest of auth has to do with it."""

    service: ServedService
    """Answers for it."""
    tell: Tell | None
    """Takes what no transaction tells; None: there is no log."""


@asynccontextmanager
async def open_audit(
    settings: AuditSettings,
    metrics: CollectorRegistry,
    *,
    tls: Tls | None,
    outbox: AuditOutbox | None,
    sessions: Sessions,
) -> AsyncGenerator[Audit, None]:
    """Receives and keeps events until the end of the block, auth's own among them."""
    if not settings.directory:
        address = settings.forward_address
        async with report_to(address, SOURCE, metrics, tls=tls, outbox=outbox, sessions=sessions) as tell:
            yield Audit(_served(AuditServicer(None)), tell)
        return
    limits = Limits(retention_nanoseconds=round(settings.retention_seconds * NANOSECONDS), max_bytes=settings.max_bytes)
    directory = Path(settings.directory)
    async with AsyncExitStack() as stack:
        chain = await asyncio.to_thread(open_chain, directory, limits, time.time_ns)
        journal = Journal(chain, JournalMetrics(metrics), time.time_ns)
        stack.push_async_callback(journal.close)
        tasks = await stack.enter_async_context(TaskScope())
        tasks.create_task(journal.run(), name="audit journal")
        tasks.create_task(repeat("audit upkeep", UPKEEP_SECONDS, journal.upkeep), name="audit upkeep")
        if settings.otlp_address:
            await stack.enter_async_context(serve_receiver(settings.otlp_address, journal, tls))
        reports = reporting(journal.add, SOURCE, metrics, outbox=outbox, sessions=sessions)
        tell = await stack.enter_async_context(reports)
        yield Audit(_served(AuditServicer(Log(directory, lambda: journal.position))), tell)


def _served(servicer: AuditServicer) -> ServedService:
    return ServedService(
        "kea.auth.v1.AuditService",
        lambda server: audit_service_pb2_grpc.add_AuditServiceServicer_to_server(servicer, server),
    )
