"""The interceptor that knows which call runs, and tells of those that no transaction tells of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from kea_core.access import declared
from kea_core.access_log import code_of, request_id_of
from kea_core.audit_call import (
    ALLOWED,
    DENIED,
    DONE,
    LIMITED,
    UNDECIDED,
    AuditCall,
    AuditRecord,
    begin_call,
    current_call,
    event_of,
)
from kea_core.interceptors import Around, Context, Details

CLIENT_ADDRESS = "x-kea-client-address"
"""Metadata that the gateway sets, whatever the caller writes there."""
MAX_ADDRESS = 64
QUESTIONS = ("Check", "Wait")
"""What names of methods begin with that are posted and change nothing."""
DECISIONS = {
    grpc.StatusCode.UNAUTHENTICATED: DENIED,
    grpc.StatusCode.PERMISSION_DENIED: DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LIMITED,
}
NOTHING_DECIDED = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND})
"""What cannot be, and what is not there."""


Tell = Callable[[AuditRecord], None]


class AuditTrail(Around):
    """Stands outside error mapping, so it sees the code that the caller sees.

    Events of changes are written with them (`kea_core.audit_outbox`). What else there is to tell is told when the call
    has ended: refusals of any call, and mutations that have failed, or have changed nothing in a database.

    Args:
        services: full names of those that are served.
        tell: takes such an event.
        now: nanoseconds since 1970.
    """

    def __init__(
        self,
        services: Iterable[str],
        tell: Tell,
        *,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        services = tuple(services)
        self._mutations = mutations(services)
        self._methods = declared(services)
        self._tell = tell
        self._now = now

    @asynccontextmanager
    async def around(self, details: Details, context: Context) -> AsyncGenerator[None, None]:
        """Makes the call known while it runs, and looks how it has ended."""
        method = str(details.method)
        call = AuditCall(
            method,
            self._now(),
            method in self._mutations,
            request_id=request_id_of(context),
            address=_address(context),
            action=self._methods[method].permission if method in self._methods else "",
        )
        begin_call(call)
        code = grpc.StatusCode.OK
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            code = grpc.StatusCode.CANCELLED
            raise
        except BaseException:
            code = code_of(context)
            raise
        finally:
            self._end(call, code)
            call.mutates = False  # what it has begun, and goes on beside it, is nobody's call any more

    def on_request(self, details: Details, message: Any) -> None:
        """Notes what the request is about; one that is only to be checked changes nothing."""
        del details
        call = current_call()
        if call is None or call.resource:
            return
        call.resource = named(message)
        call.mutates = call.mutates and not getattr(message, "validate_only", False)

    def _end(self, call: AuditCall, code: grpc.StatusCode) -> None:
        decision = DECISIONS.get(code)
        if decision is not None:
            self._tell(event_of(call, decision, code.name))
        elif call.mutates and not call.told and code is not grpc.StatusCode.UNIMPLEMENTED:
            decision = UNDECIDED if code in NOTHING_DECIDED else ALLOWED
            self._tell(event_of(call, decision, DONE if code is grpc.StatusCode.OK else code.name))


def mutations(services: Iterable[str]) -> frozenset[str]:
    """Returns the paths of all methods that change something."""
    pool = descriptor_pool.Default()
    return frozenset(
        f"/{service}/{method.name}"
        for service in services
        for method in pool.FindServiceByName(service).methods
        if _mutates(method)
    )


def _mutates(method: MethodDescriptor) -> bool:
    if method.client_streaming:
        return True
    if method.server_streaming or method.name.startswith(QUESTIONS):
        return False
    options: Any = method.GetOptions()  # stubs know extensions as fields only
    pattern = options.Extensions[annotations_pb2.http].WhichOneof("pattern")
    return pattern in {"post", "put", "patch", "delete"} or method.name.startswith(("Delete", "Cancel"))


def named(message: Any) -> str:
    """Returns the name of what a request is about: of what is, or is to be made; empty where it names nothing."""
    fields = message.DESCRIPTOR.fields_by_name
    parent = str(message.parent) if "parent" in fields else ""
    if "name" in fields:
        return str(message.name)
    for field in fields:
        made = getattr(message, field) if field.endswith("_id") and field != "request_id" else None
        if isinstance(made, str) and made:
            head, *rest = field.removesuffix("_id").split("_")
            collection = head + "".join(part.capitalize() for part in rest) + "s"
            return f"{parent}/{collection}/{made}".lstrip("/")
    for field, described in fields.items():
        inner = described.message_type
        if inner is not None and "name" in inner.fields_by_name and not described.is_repeated:
            return str(getattr(message, field).name) or parent
    return parent


def _address(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == CLIENT_ADDRESS and isinstance(value, str):
            return value[:MAX_ADDRESS]
    return context.peer()[:MAX_ADDRESS]
