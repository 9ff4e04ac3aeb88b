from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import pytest
from kea_core.lifecycle import cancel_after

SERVICE = """
import asyncio, logging, sys
from kea_core.lifecycle import cancel_after, run_service

log = logging.getLogger("example")


async def work(settings):
    if settings == "fail":
        raise LookupError("the work cannot go on")
    await asyncio.Event().wait()


async def run(settings, stop, ready, *, metrics):
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work(settings))
        ready()
        log.info("started", extra={"settings": settings})
        print("ready", flush=True)
        await cancel_after(stop, [task])
    print("ended", flush=True)


sys.exit(run_service("example", run, sys.argv[1]))
"""


async def start(settings: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*(sys.executable, "-c", SERVICE, settings), stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_service_in_order(number: signal.Signals) -> None:
    async with asyncio.timeout(20):
        process = await start("serve")
        process.send_signal(number)
        stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (0, b"ended\n")
    line: Any = json.loads(stderr)
    assert (line["service"], line["event"], line["settings"], line["level"]) == ("example", "started", "serve", "info")


async def test_a_task_that_fails_ends_the_service_with_an_error() -> None:
    async with asyncio.timeout(20):
        process = await start("fail")
        stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert b"LookupError: the work cannot go on" in stderr


async def test_what_runs_in_the_background_is_cancelled_only_after_the_stop() -> None:
    stop, running = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        running.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        ending = tasks.create_task(cancel_after(stop, [task]))
        await running.wait()
        assert not task.done()
        stop.set()
        await ending
    assert task.cancelled()
