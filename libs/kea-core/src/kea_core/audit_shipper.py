"""Sending a service's events to the audit log: those of its outbox until they arrive, the others where they can be."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import grpc
from kea.otlp.v1 import logs_pb2
from prometheus_client import CollectorRegistry, Counter, Gauge

from kea_core import audit_attributes as names
from kea_core.audit_call import AuditRecord
from kea_core.audit_outbox import AuditOutbox
from kea_core.database import Sessions

log = logging.getLogger(__name__)

EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
MOST_AT_ONCE = 500
MOST_WAITING = 1000
"""Events beside the outbox that wait at most; further ones are dropped, and counted."""
LOOK_SECONDS = 5.0
"""How often the outbox is looked into, as others write there too."""
PAUSE_SECONDS = 1.0
SEND_SECONDS = 10.0

Send = Callable[[bytes], Awaitable[object]]
"""Returns once a batch of OTLP logs is safe; raises where it is not."""


class AuditShipper:
    """Sends events.

    Args:
        source: which service tells.
        send: where to.
        outbox: events that were written with a change; None where the service has no tables.
        sessions: the database with the outbox.
    """

    def __init__(
        self,
        source: str,
        send: Send,
        metrics: CollectorRegistry,
        *,
        outbox: AuditOutbox | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._source = source
        self._send = send
        self._outbox = outbox
        self._sessions = sessions
        self._stopped = False
        self._waiting: deque[AuditRecord] = deque()
        self._filled = outbox.filled if outbox is not None else asyncio.Event()
        self._dropped = Counter(
            "kea_audit_queue_dropped", "Audit events that could not be sent and were dropped.", registry=metrics
        )
        self._unsent = Gauge("kea_audit_outbox_events", "Audit events that wait in the database.", registry=metrics)

    def tell(self, record: AuditRecord) -> None:
        """Sends an event that no transaction is about, soon."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped.inc()
            return
        self._waiting.append(record)
        self._filled.set()

    async def run(self) -> None:
        """Sends until it is stopped, and what waits then once more. What does not arrive is tried again."""
        while not self._stopped:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._filled.wait()
            except TimeoutError:
                pass
            self._filled.clear()
            try:
                while await self._send_some():
                    pass
            except Exception as error:  # noqa: BLE001 - whatever it is, that of others must not end the service
                log.warning("audit events not sent", extra={"problem": repr(error)})
                if not self._stopped:
                    await asyncio.sleep(PAUSE_SECONDS)
                    self._filled.set()

    def stop(self) -> None:
        """Has `run` end soon."""
        self._stopped = True
        self._filled.set()

    async def _send_some(self) -> bool:
        """Sends what waits; returns whether there may be more."""
        told = [self._waiting[index] for index in range(min(len(self._waiting), MOST_AT_ONCE))]
        if told:
            await self._send(self._batch(told))
            for _ in told:
                self._waiting.popleft()
        written = await self._send_written()
        return max(len(told), written) == MOST_AT_ONCE

    async def _send_written(self) -> int:
        if self._outbox is None or self._sessions is None:
            return 0
        async with self._sessions.reading() as session:
            found = await self._outbox.oldest(session, MOST_AT_ONCE)
            self._unsent.set(await self._outbox.count(session) if len(found) == MOST_AT_ONCE else len(found))
        if found:
            await self._send(self._batch(found))
            async with self._sessions.transaction() as session:
                await self._outbox.remove(session, found)
            self._unsent.dec(len(found))
        return len(found)

    def _batch(self, records: Sequence[AuditRecord]) -> bytes:
        data = logs_pb2.LogsData()
        logs = data.resource_logs.add()
        for name, text in ((names.SOURCE, self._source), (names.NAMESPACE, "kea")):
            logs.resource.attributes.add(key=name).value.string_value = text
        scope = logs.scope_logs.add()
        for record in records:
            scope.log_records.add().ParseFromString(record.content)
        return data.SerializeToString()


def otlp_sender(channel: grpc.aio.Channel) -> Send:
    """Returns what sends to whatever receives OTLP logs: auth, or a company's collector."""
    export = channel.unary_unary(EXPORT)

    async def send(batch: bytes) -> None:
        await export(batch, timeout=SEND_SECONDS)

    return send
