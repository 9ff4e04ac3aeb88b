"""How a service's process lives: until a signal, or until one of its tasks dies."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry

from kea_core.logs import configure_logs

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
    asyncio.run(_until_signal(run, settings))
    return 0


async def _until_signal(run: Run[S_contra], settings: S_contra) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop, lambda: None, metrics=CollectorRegistry())


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
