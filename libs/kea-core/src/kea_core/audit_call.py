"""The call that runs, as the audit log will tell of it, and what it has changed so far."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from kea.otlp.v1 import logs_pb2

from kea_core import audit_attributes as names
from kea_core.access import current_grant
from kea_core.principal import ANONYMOUS, current_principal

ALLOWED, DENIED, LIMITED, UNDECIDED = "allowed", "denied", "limited", "none"
DELETED = "DELETED"
DONE = "OK"


@dataclass(slots=True)
class AuditCall:
    """A call of one of this service's methods."""

    method: str
    """As `/kea.registry.v1.ModelService/CreateModel`."""
    time: int
    """When it began, in nanoseconds since 1970."""
    mutates: bool
    """Whether it is one that changes something."""
    request_id: str = ""
    address: str = ""
    """Of whoever sent it to the gateway."""
    action: str = ""
    """The permission that the method asks for; empty: none."""
    resource: str = ""
    """What the request is about, by its fields."""
    rule: str = ""
    """What is decided by, where that is no binding: how somebody has logged in."""
    told: int = 0
    """How many events of it are written for good."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An event on its way to the audit log."""

    id: str
    time: int
    content: bytes
    """An OTLP log, serialized."""


@dataclass(slots=True)
class Changes:
    """What one transaction has changed, by resource name, and whether it is gone."""

    names: dict[str, bool] = field(default_factory=dict[str, bool])


_call: ContextVar[AuditCall | None] = ContextVar("kea_audit_call", default=None)
_changes: ContextVar[Changes | None] = ContextVar("kea_audit_changes", default=None)


def current_call() -> AuditCall | None:
    """Returns the call that runs; None where what runs was asked for by nobody."""
    return _call.get()


def begin_call(call: AuditCall) -> None:
    """Makes `call` the one that runs; only what stands around calls does this."""
    _call.set(call)


@contextmanager
def collecting() -> Generator[Changes, None, None]:
    """Collects what is changed within the block, which is a transaction."""
    changes = Changes()
    token = _changes.set(changes)
    try:
        yield changes
    finally:
        _changes.reset(token)


def changed(name: str, *, deleted: bool = False) -> None:
    """Notes that the transaction that runs has changed a resource: it will be an event, if a call has asked for it.

    Stores call it for what their change feed does not tell. Outside of transactions it says what the call is about.
    """
    changes, call = _changes.get(), _call.get()
    if changes is not None:
        changes.names[name] = deleted
    elif call is not None:
        call.resource = name


def events_of(changes: Changes) -> list[AuditRecord]:
    """Returns what the call that runs has to tell of a transaction's changes; nothing where it is no mutation."""
    call = _call.get()
    if call is None or not call.mutates:
        return []
    return [
        event_of(call, ALLOWED, DELETED if deleted else DONE, resource=name) for name, deleted in changes.names.items()
    ]


def event_of(call: AuditCall, decision: str, outcome: str, *, resource: str | None = None) -> AuditRecord:
    """Returns an event of a call.

    Args:
        call: the one that runs.
        decision: `allowed`, `denied`, `limited` or `none`.
        outcome: how it ended.
        resource: what was changed; None: what the request is about.
    """
    caller, grant = current_principal(), current_grant()
    told = {
        names.SUBJECT: "" if caller is ANONYMOUS else caller.subject,
        names.TOKEN_ID: caller.token,
        names.SESSION_ID: caller.session,
        names.ACCOUNT_ID: caller.account,
        names.ACTION: call.action or action_of(call.method),
        names.RESOURCE: resource if resource is not None else call.resource or grant.resource,
        names.DECISION: decision,
        names.RULE: call.rule or grant.rule,
        names.OUTCOME: outcome,
        names.REQUEST_ID: call.request_id,
        names.SOURCE_ADDRESS: call.address,
        names.REQUEST: call.method,
    }
    event_id = uuid.uuid4().hex
    record = logs_pb2.LogRecord(time_unix_nano=call.time, event_name="kea.audit")
    for name, text in ({names.EVENT_ID: event_id} | told).items():
        if text:
            record.attributes.add(key=name).value.string_value = text
    return AuditRecord(event_id, call.time, record.SerializeToString())


def action_of(method: str) -> str:
    """Returns the action of a method that asks for no permission: `auth.createToken`."""
    service, _, name = method.lstrip("/").partition("/")
    parts = service.split(".")
    package = parts[1] if parts[0] == "kea" and len(parts) > 1 else parts[-1].lower()
    return f"{package}.{name[:1].lower()}{name[1:]}"
