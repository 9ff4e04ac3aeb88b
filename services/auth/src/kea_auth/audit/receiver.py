"""The receiver of OTLP logs: `opentelemetry.proto.collector.logs.v1.LogsService/Export`.

It asks for no token, as Envoy has none: where it listens is for Envoys and KEA's own services only, by a socket's
permissions or by mutual TLS. A batch stays the bytes it came as.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc
from kea_core.interceptors import Context
from kea_core.server import listen
from kea_core.tls import Tls

from kea_auth.audit.journal import LARGEST_BATCH_BYTES, Journal, JournalFailedError, JournalFullError
from kea_auth.audit.otlp_scan import BatchMalformedError

SERVICE = "opentelemetry.proto.collector.logs.v1.LogsService"
ACCEPTED = b""
"""An `ExportLogsServiceResponse`: all of it was taken."""
MOST_CALLS = 1000
GRACE_SECONDS = 2.0
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", LARGEST_BATCH_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


def logs_handler(journal: Journal) -> grpc.GenericRpcHandler:
    """Returns the service, which keeps batches in `journal`."""

    async def export(request: bytes, context: Context) -> bytes:
        try:
            await journal.add(request)
        except BatchMalformedError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not a batch of logs: {error}")
        except JournalFullError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "too much waits to be written; try again")
        except JournalFailedError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "it could not be written; try again")
        return ACCEPTED

    return grpc.method_handlers_generic_handler(SERVICE, {"Export": grpc.unary_unary_rpc_method_handler(export)})


@asynccontextmanager
async def serve_receiver(address: str, journal: Journal, tls: Tls | None) -> AsyncGenerator[None, None]:
    """Receives batches on an address of its own until the end of the block."""
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
    server.add_generic_rpc_handlers((logs_handler(journal),))
    listen(server, address, tls)
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE_SECONDS)
