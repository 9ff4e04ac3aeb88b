"""Events and filters as messages, and back."""

from __future__ import annotations

from google.protobuf import timestamp_pb2
from kea.auth.v1 import audit_event_pb2, audit_service_pb2

from kea_auth.audit.errors import AuditFilterInvalid
from kea_auth.audit.event import AuditEvent, Decision, Filter
from kea_auth.audit.verification import Checked

DECISIONS = {
    Decision.ALLOWED: audit_event_pb2.AuditEvent.DECISION_ALLOWED,
    Decision.DENIED: audit_event_pb2.AuditEvent.DECISION_DENIED,
    Decision.LIMITED: audit_event_pb2.AuditEvent.DECISION_LIMITED,
    Decision.NONE: audit_event_pb2.AuditEvent.DECISION_NONE,
}
OF_MESSAGES = {message: decision for decision, message in DECISIONS.items()}
MAX_NANOSECONDS = 253_402_300_799 * 10**9
"""The last second that a timestamp can tell."""


def event_to_proto(event: AuditEvent) -> audit_event_pb2.AuditEvent:
    """Returns an event as a message."""
    return audit_event_pb2.AuditEvent(
        id=event.id,
        time=_time(event.time),
        subject=event.subject,
        authentication=audit_event_pb2.AuditAuthentication(
            token_id=event.token_id, session_id=event.session_id, account_id=event.account_id
        ),
        action=event.action,
        resource=event.resource,
        decision=DECISIONS[event.decision],
        rule=event.rule,
        outcome=event.outcome,
        request_id=event.request_id,
        source_address=event.source_address,
        source=event.source,
        request=event.request,
        model_version=event.model_version,
        duration_ms=event.duration_ms,
        bytes_received=event.bytes_received,
        bytes_sent=event.bytes_sent,
    )


def filter_from_proto(message: audit_event_pb2.AuditEventFilter) -> Filter:
    """Returns which events are wanted.

    Raises:
        AuditFilterInvalid: an address or a time is none.
    """
    made = Filter(
        start=_nanoseconds("filter.start_time", message.start_time) if message.HasField("start_time") else 0,
        end=_nanoseconds("filter.end_time", message.end_time) if message.HasField("end_time") else 0,
        subject=message.subject,
        resource=message.resource,
        action=message.action,
        decision=OF_MESSAGES.get(message.decision),
        request_id=message.request_id,
        source_address=message.source_address,
        source=message.source,
        token_id=message.token_id,
    )
    _ = made.network  # says what is wrong with it
    return made


def segment_to_proto(checked: Checked) -> audit_service_pb2.AuditSegment:
    """Returns what was found of a segment as a message."""
    seen = checked.walk
    return audit_service_pb2.AuditSegment(
        chain=checked.chain,
        number=seen.number,
        closed=seen.closed,
        batches=seen.batches,
        events=seen.events,
        bytes=seen.size,
        first_time=_time(seen.oldest) if seen.oldest else None,
        last_time=_time(seen.newest) if seen.newest else None,
        hash=seen.hash.hex(),
        problem=checked.problem,
        problem_offset=checked.offset,
    )


def _time(nanoseconds: int) -> timestamp_pb2.Timestamp:
    seconds, rest = divmod(min(nanoseconds, MAX_NANOSECONDS), 10**9)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=rest)


def _nanoseconds(field: str, message: timestamp_pb2.Timestamp) -> int:
    found = message.seconds * 10**9 + message.nanos
    if not 0 <= found <= MAX_NANOSECONDS:
        raise AuditFilterInvalid(field, "is before 1970 or after 9999")
    return found
