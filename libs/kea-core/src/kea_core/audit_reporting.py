"""A service's part in the audit log, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from kea_core.audit_outbox import AuditOutbox
from kea_core.audit_shipper import AuditShipper, Send, otlp_sender
from kea_core.audit_trail import Tell
from kea_core.client import open_channel
from kea_core.database import Sessions
from kea_core.task_scope import TaskScope
from kea_core.tls import Tls

LAST_SECONDS = 2.0
"""How long the end waits until what was told last has arrived."""


def outbox_of(table: sa.Table, address: str) -> AuditOutbox | None:
    """Returns the outbox in a table; None where there is no address that its events could go to."""
    return AuditOutbox(table) if address else None


@asynccontextmanager
async def report_to(
    address: str,
    source: str,
    metrics: CollectorRegistry,
    *,
    tls: Tls | None,
    outbox: AuditOutbox | None = None,
    sessions: Sessions | None = None,
) -> AsyncGenerator[Tell | None, None]:
    """Sends a service's events to an address until the end of the block; gives what takes those beside the outbox.

    Where the address is empty there is no audit log.
    """
    if not address:
        yield None
        return
    async with (
        open_channel(address, tls=tls) as channel,
        reporting(otlp_sender(channel), source, metrics, outbox=outbox, sessions=sessions) as tell,
    ):
        yield tell


@asynccontextmanager
async def reporting(
    send: Send,
    source: str,
    metrics: CollectorRegistry,
    *,
    outbox: AuditOutbox | None = None,
    sessions: Sessions | None = None,
) -> AsyncGenerator[Tell, None]:
    """Sends a service's events by `send` until the end of the block."""
    shipper = AuditShipper(source, send, metrics, outbox=outbox, sessions=sessions)
    async with TaskScope() as tasks:
        running = tasks.create_task(shipper.run(), name="audit events")
        yield shipper.tell
        shipper.stop()
        # What has not arrived by then is sent next time, where it is in an outbox.
        await asyncio.wait([running], timeout=LAST_SECONDS)
