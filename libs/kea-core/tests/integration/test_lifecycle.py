from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.request
from typing import Any

import pytest
from kea_core.lifecycle import cancel_after

SERVICE = """
import asyncio, gc, logging, sys
from kea_core.lifecycle import cancel_after, run_service
from prometheus_client import Counter

log = logging.getLogger("example")


async def work(settings):
    if settings == "fail":
        raise LookupError("the work cannot go on")
    await asyncio.Event().wait()


async def run(settings, stop, ready, *, metrics):
    Counter("example_things_total", "What there was.", registry=metrics).inc(3)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work(settings))
        ready()
        log.info("started", extra={"settings": settings, "frozen": gc.get_freeze_count()})
        print("ready", flush=True)
        await cancel_after(stop, [task])
    print("ended", flush=True)


sys.exit(run_service("example", run, sys.argv[1]))
"""


async def start(settings: str, **environment: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVICE, settings), stdout=pipe, stderr=pipe, env={**os.environ, **environment}
    )
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
    assert line["frozen"] > 0  # what is there by then is not looked at in every full garbage collection


async def test_a_task_that_fails_ends_the_service_with_an_error() -> None:
    async with asyncio.timeout(20):
        process = await start("fail")
        stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert b"LookupError: the work cannot go on" in stderr


async def test_prometheus_is_answered_where_the_process_is_told_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with asyncio.timeout(20):
        process = await start("serve", KEA_METRICS_ADDRESS=address)
        answer = await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/metrics")
        with answer:
            text = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        stdout, _ = await process.communicate()
    assert (process.returncode, stdout) == (0, b"ended\n")
    assert "example_things_total 3.0" in text
    assert "process_resident_memory_bytes" in text


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
