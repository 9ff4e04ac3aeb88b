"""How a service's process lives: until a signal, or until one of its tasks dies."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from kea_core.logs import configure_logs

Main = Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]]
"""A service's `run(stop, ready)`: calls `ready()` when it serves, ends soon after `stop` is set."""


def run_process(service: str, main: Main, *, log_level: str = "INFO") -> int:
    """Runs a service as this process until SIGTERM or SIGINT; returns the exit code."""
    configure_logs(service, log_level)
    asyncio.run(_run(main))
    return 0


async def _run(main: Main) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await main(stop, lambda: None)


async def wait_or_cancel(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Waits for `stop`, then cancels `tasks`, inside the TaskGroup that owns them."""
    await stop.wait()
    for task in tasks:
        task.cancel()
