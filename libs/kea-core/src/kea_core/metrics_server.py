"""Metrics, where Prometheus reads them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server

from kea_core.address import split_address


@contextmanager
def serve_metrics(address: str, metrics: CollectorRegistry) -> Generator[None]:
    """Answers Prometheus on `HOST:PORT` until the end of the block, with the process's own metrics among the others.

    On a thread: it answers as long as the process lives, whatever the event loop is doing.

    Raises:
        ValueError: the address is written otherwise.
    """
    host, port = split_address(address)
    ProcessCollector(registry=metrics)
    PlatformCollector(registry=metrics)
    GCCollector(registry=metrics)
    server, thread = start_http_server(port, host, metrics)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
