"""How a service's process lives: until a signal, or until one of its tasks dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry

from kea_core.garbage import freeze_lasting
from kea_core.logs import configure_logs
from kea_core.metrics_server import serve_metrics

METRICS_ADDRESS = "KEA_METRICS_ADDRESS"
"""Where the process answers Prometheus, `HOST:PORT`; where it is not set or empty, nowhere. It is of the process, not
of the service in it: services that share a process do not have it."""

S_contra = TypeVar("S_contra", contravariant=True)


class Run(Protocol[S_contra]):
    """A service's `run`: brings it up, calls `ready()` when it serves, ends soon after `stop` is set."""

    def __call__(
        self, settings: S_contra, stop: asyncio.Event, ready: Callable[[], None], *, metrics: CollectorRegistry
    ) -> Awaitable[None]:
        """Runs the service."""
        ...


def run_service(service: str, run: Run[S_contra], settings: S_contra) -> int:
    """Runs a service as this process until SIGTERM or SIGINT; returns the exit code."""
    configure_logs(service)
    metrics = CollectorRegistry()
    address = os.environ.get(METRICS_ADDRESS, "")
    with serve_metrics(address, metrics) if address else nullcontext():
        asyncio.run(_until_signal(run, settings, metrics))
    return 0


async def _until_signal(run: Run[S_contra], settings: S_contra, metrics: CollectorRegistry) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Of a router of 10,000 endpoints a full collection took 80 ms of CPU; when it has begun like this, 1 to 6 ms.
    await run(settings, stop, freeze_lasting, metrics=metrics)


async def cancel_after(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Waits for `stop`, then cancels `tasks`: the last thing in the TaskGroup that owns them."""
    await stop.wait()
    for task in tasks:
        task.cancel()


async def came_first(event: asyncio.Event, stop: asyncio.Event) -> bool:
    """Waits for the first of two events; returns whether it was `event`."""
    waiting = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
    return event.is_set()
