"""AuditService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from kea.auth.v1 import audit_service_pb2, audit_service_pb2_grpc
from kea_core.errors import PageTokenInvalid
from kea_core.interceptors import Context
from kea_core.pages import page_token, read_page

from kea_auth.audit.convert import event_to_proto, filter_from_proto, segment_to_proto
from kea_auth.audit.errors import AuditNotKept
from kea_auth.audit.log_lines import json_lines, otlp_lines
from kea_auth.audit.search import Log, Place, read_place
from kea_auth.audit.verification import Checkpoint, read_checkpoint, verify

EXPORTED = 1000
"""Events in one message of an export."""
VERIFYING = "audit segments"


class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """Messages to the log and back, nothing else. What reads files does so beside the event loop.

    Args:
        log: what is asked; None where none is kept.
    """

    def __init__(self, log: Log | None) -> None:
        self._kept = log

    async def SearchAuditEvents(
        self, request: audit_service_pb2.SearchAuditEventsRequest, context: Context
    ) -> audit_service_pb2.SearchAuditEventsResponse:
        """Finds events."""
        del context
        wanted = filter_from_proto(request.filter)
        listing = f"{request.filter.SerializeToString(deterministic=True).hex()} {request.oldest_first}"
        page = read_page(listing, request.page_size, request.page_token)
        part = await asyncio.to_thread(
            partial(
                self._log.search,
                wanted,
                oldest_first=request.oldest_first,
                after=_place(page.after),
                most=page.size,
            )
        )
        return audit_service_pb2.SearchAuditEventsResponse(
            events=[event_to_proto(one.event) for one in part.found],
            next_page_token=page_token(listing, str(part.next)) if part.next is not None else "",
        )

    async def ExportAuditEvents(
        self, request: audit_service_pb2.ExportAuditEventsRequest, context: Context
    ) -> AsyncIterator[audit_service_pb2.ExportAuditEventsResponse]:
        """Gives all events that fit."""
        del context
        wanted, after = filter_from_proto(request.filter), None
        otlp = request.format == audit_service_pb2.ExportAuditEventsRequest.FORMAT_OTLP
        write = otlp_lines if otlp else json_lines
        while True:
            search = partial(self._log.search, wanted, oldest_first=True, after=after, most=EXPORTED)
            part = await asyncio.to_thread(search)
            if part.found:
                yield audit_service_pb2.ExportAuditEventsResponse(lines=await asyncio.to_thread(write, part.found))
            if part.next is None:
                return
            after = part.next

    async def VerifyAuditLog(
        self, request: audit_service_pb2.VerifyAuditLogRequest, context: Context
    ) -> audit_service_pb2.VerifyAuditLogResponse:
        """Checks the next segments."""
        del context
        listing = f"{VERIFYING} {request.known_hash}"
        page = read_page(listing, 0, request.page_token)
        report = await asyncio.to_thread(verify, self._log, _checkpoint(page.after))
        known = bytes.fromhex(request.known_hash)
        return audit_service_pb2.VerifyAuditLogResponse(
            segments=[segment_to_proto(checked) for checked in report.segments],
            known_hash_found=any(known in checked.walk.hashes for checked in report.segments),
            next_page_token=page_token(listing, str(report.next)) if report.next is not None else "",
        )

    @property
    def _log(self) -> Log:
        if self._kept is None:
            raise AuditNotKept
        return self._kept


def _place(text: str) -> Place | None:
    try:
        return read_place(text) if text else None
    except ValueError as error:
        raise PageTokenInvalid from error


def _checkpoint(text: str) -> Checkpoint | None:
    try:
        return read_checkpoint(text) if text else None
    except ValueError as error:
        raise PageTokenInvalid from error
