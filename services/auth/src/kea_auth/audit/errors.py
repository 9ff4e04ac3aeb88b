"""What can go wrong when the audit log is asked."""

from __future__ import annotations

from kea_core.errors import FailedPrecondition, FieldViolation, InvalidArgument


class AuditFilterInvalid(InvalidArgument):
    """What is asked for cannot be."""

    reason = "AUDIT_FILTER_INVALID"

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field} {description}", violations=[FieldViolation(field, description)], field=field)


class AuditNotKept(FailedPrecondition):
    """KEA keeps no audit log: it goes to a collector elsewhere, or nowhere."""

    reason = "AUDIT_NOT_KEPT"

    def __init__(self) -> None:
        super().__init__("this KEA keeps no audit log of its own; ask the collector it is sent to")
