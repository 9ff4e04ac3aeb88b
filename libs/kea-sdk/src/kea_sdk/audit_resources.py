"""What the client gives back of the audit log: plain values, free of protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that somebody did, or was not let do."""

    id: str
    time: datetime | None
    subject: str
    """Empty: no good token was shown."""
    token_id: str
    session_id: str
    account_id: str
    action: str
    """A permission, such as `router.endpoints.invoke`."""
    resource: str
    decision: str
    """`ALLOWED`, `DENIED`, `LIMITED` or `NONE`: there was nothing to decide."""
    rule: str
    """What it was decided by."""
    outcome: str
    """`OK`, a gRPC code or an HTTP status."""
    request_id: str
    source_address: str
    source: str
    """Which part of KEA tells."""
    request: str
    model_version: str
    duration_ms: int
    bytes_received: int
    bytes_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSegment:
    """A part of the log that was checked."""

    chain: str
    number: int
    closed: bool
    batches: int
    events: int
    bytes: int
    first_time: datetime | None
    last_time: datetime | None
    hash: str
    problem: str
    """Empty: nothing is wrong with it."""
    problem_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a check of the log has found. True where nothing is wrong."""

    segments: tuple[AuditSegment, ...]
    known_hash_found: bool | None
    """None: none was looked for."""

    def __bool__(self) -> bool:
        return self.known_hash_found is not False and not any(segment.problem for segment in self.segments)
