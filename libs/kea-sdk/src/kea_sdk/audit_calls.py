"""What the client asks of the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from kea.auth.v1 import audit_event_pb2, audit_service_pb2, audit_service_pb2_grpc

from kea_sdk.audit_resources import AuditEvent, AuditReport, AuditSegment
from kea_sdk.convert import time_of
from kea_sdk.errors import InvalidArgument
from kea_sdk.gateway import Gateway

PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events are wanted: those that fit all that is set."""

    since: datetime | None = None
    until: datetime | None = None
    """From when on they are not wanted."""
    subject: str = ""
    """As `users/ada` or `serviceAccounts/ci`."""
    resource: str = ""
    """With all under it."""
    action: str = ""
    """With all that begin with it and a dot."""
    decision: str = ""
    """`allowed`, `denied`, `limited` or `none`."""
    request_id: str = ""
    address: str = ""
    """Or a network, as `10.1.0.0/16`."""
    source: str = ""
    """A part of KEA, as `gateway`."""
    token_id: str = ""


class AuditCalls:
    """The part of the client that is about the audit log.

    Args:
        gateway: the connection.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._audit = gateway.stub(audit_service_pb2_grpc.AuditServiceStub)

    def audit_events(self, wanted: AuditFilter | None = None, *, oldest_first: bool = False) -> Iterator[AuditEvent]:
        """Gives the events that fit, those that were received last first; it asks for more as it goes.

        Raises:
            InvalidArgument: what is wanted cannot be.
            FailedPrecondition: KEA keeps no audit log of its own, reason `AUDIT_NOT_KEPT`.
        """
        request = audit_service_pb2.SearchAuditEventsRequest(
            filter=_filter(wanted), oldest_first=oldest_first, page_size=PAGE
        )
        while True:
            page = self._gateway.call(self._audit.SearchAuditEvents, request, repeatable=True)
            yield from (_event(message) for message in page.events)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def export_audit_events(self, wanted: AuditFilter | None = None, *, otlp: bool = False) -> Iterator[bytes]:
        """Gives the events that fit, oldest first, as whole lines of JSON, or of OTLP/JSON.

        Raises:
            InvalidArgument: what is wanted cannot be.
            FailedPrecondition: KEA keeps no audit log of its own, reason `AUDIT_NOT_KEPT`.
        """
        formats = audit_service_pb2.ExportAuditEventsRequest
        kind = formats.FORMAT_OTLP if otlp else formats.FORMAT_JSON_LINES
        request = audit_service_pb2.ExportAuditEventsRequest(filter=_filter(wanted), format=kind)
        for message in self._gateway.stream(self._audit.ExportAuditEvents, request):
            yield message.lines

    def verify_audit_log(self, known_hash: str = "") -> AuditReport:
        """Checks the whole log.

        Args:
            known_hash: one that was told before and must still be in it.

        Raises:
            FailedPrecondition: KEA keeps no audit log of its own, reason `AUDIT_NOT_KEPT`.
        """
        request = audit_service_pb2.VerifyAuditLogRequest(known_hash=known_hash)
        segments: list[AuditSegment] = []
        known = False
        while True:
            page = self._gateway.call(self._audit.VerifyAuditLog, request, repeatable=True)
            segments += [_segment(message) for message in page.segments]
            known = known or page.known_hash_found
            if not page.next_page_token:
                return AuditReport(segments=tuple(segments), known_hash_found=known if known_hash else None)
            request.page_token = page.next_page_token


def _filter(wanted: AuditFilter | None) -> audit_event_pb2.AuditEventFilter:
    wanted = wanted or AuditFilter()
    decision = f"DECISION_{(wanted.decision or 'unspecified').upper()}"
    if decision not in audit_event_pb2.AuditEvent.Decision.keys():  # noqa: SIM118 - it is no mapping
        problem = f"{wanted.decision!r} is no decision; expected allowed, denied, limited or none"
        raise InvalidArgument(problem)
    made = audit_event_pb2.AuditEventFilter(
        decision=decision,
        subject=wanted.subject,
        resource=wanted.resource,
        action=wanted.action,
        request_id=wanted.request_id,
        source_address=wanted.address,
        source=wanted.source,
        token_id=wanted.token_id,
    )
    if wanted.since is not None:
        made.start_time.FromDatetime(wanted.since)
    if wanted.until is not None:
        made.end_time.FromDatetime(wanted.until)
    return made


def _event(message: audit_event_pb2.AuditEvent) -> AuditEvent:
    names = {number: name for name, number in audit_event_pb2.AuditEvent.Decision.items()}
    return AuditEvent(
        id=message.id,
        time=time_of(message.time),
        subject=message.subject,
        token_id=message.authentication.token_id,
        session_id=message.authentication.session_id,
        account_id=message.authentication.account_id,
        action=message.action,
        resource=message.resource,
        decision=names.get(message.decision, str(message.decision)).removeprefix("DECISION_"),
        rule=message.rule,
        outcome=message.outcome,
        request_id=message.request_id,
        source_address=message.source_address,
        source=message.source,
        request=message.request,
        model_version=message.model_version,
        duration_ms=message.duration_ms,
        bytes_received=message.bytes_received,
        bytes_sent=message.bytes_sent,
    )


def _segment(message: audit_service_pb2.AuditSegment) -> AuditSegment:
    return AuditSegment(
        chain=message.chain,
        number=message.number,
        closed=message.closed,
        batches=message.batches,
        events=message.events,
        bytes=message.bytes,
        first_time=time_of(message.first_time),
        last_time=time_of(message.last_time),
        hash=message.hash,
        problem=message.problem,
        problem_offset=message.problem_offset,
    )
