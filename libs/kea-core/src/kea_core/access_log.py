"""The interceptor that writes one log line and one metric sample per call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import cast

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram

from kea_core.interceptors import Around, Context, Details
from kea_core.principal import current_principal

log = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"
MAX_REQUEST_ID = 128


class CallMetrics:
    """Counts and times calls. Labels are bounded: methods that exist, and gRPC's codes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.handled = Counter(
            "grpc_server_handled_total", "Calls that ended, by code.", ("method", "code"), registry=registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds", "Time from a call's begin to its end.", ("method",), registry=registry
        )


class AccessLog(Around):
    """Stands outside error mapping, so it sees the code that the caller sees."""

    def __init__(self, metrics: CallMetrics, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._monotonic = monotonic

    @asynccontextmanager
    async def around(self, details: Details, context: Context) -> AsyncGenerator[None, None]:
        """Times the call and notes how it ended."""
        started = self._monotonic()
        peer, request_id = context.peer(), request_id_of(context)
        code = grpc.StatusCode.OK
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            # The caller is gone: context.code() is None.
            code = grpc.StatusCode.CANCELLED
            raise
        except BaseException:
            code = code_of(context)
            raise
        finally:
            seconds = self._monotonic() - started
            self._note(str(details.method), code, seconds, request_id=request_id, peer=peer)

    def _note(self, method: str, code: grpc.StatusCode, seconds: float, **caller: str) -> None:
        self._metrics.handled.labels(method, code.name).inc()
        self._metrics.seconds.labels(method).observe(seconds)
        if method.startswith("/grpc.health."):
            return
        log.info(
            "call",
            extra={
                "method": method,
                "code": code.name,
                "duration_ms": round(seconds * 1000, 3),
                "subject": current_principal().subject,
                **caller,
            },
        )


def code_of(context: Context) -> grpc.StatusCode:
    """Returns what a call that has raised ends with."""
    found = cast("object", context.code())  # grpc declares an enum and gives a number after abort()
    if isinstance(found, grpc.StatusCode):
        return found
    by_number = {code.value[0]: code for code in grpc.StatusCode}
    return by_number.get(found, grpc.StatusCode.UNKNOWN) if isinstance(found, int) else grpc.StatusCode.UNKNOWN


def request_id_of(context: Context) -> str:
    """Returns the id that the gateway gave a request; empty where there is none."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and isinstance(value, str):
            return value[:MAX_REQUEST_ID]
    return ""
