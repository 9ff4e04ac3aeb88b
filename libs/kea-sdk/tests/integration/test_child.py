from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from kea_core.lifeline import open_lifeline
from kea_sdk.platform import child as module
from kea_sdk.platform.child import Child, ChildSpec, last_line
from kea_sdk.platform.state import ProcessState

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PATIENT = "import time; print('up', flush=True); time.sleep(60)"


class Watched:
    """A child, and every change of it as it happens."""

    def __init__(self, log: Path, code: str, lifeline: int, ready: Callable[[], Awaitable[None]] | None = None) -> None:
        self.changes: asyncio.Queue[tuple[ProcessState, int]] = asyncio.Queue()
        spec = ChildSpec(
            name="it",
            argv=(sys.executable, "-c", code),
            environment={"PATH": os.environ["PATH"], "SECRET": "hunter2"},
            address="unix:/x",
            log=log,
            ready=ready or self._answers,
        )
        self.child = Child(spec, lifeline, self._note)
        self.log = log

    async def until(self, state: ProcessState) -> int:
        """Returns the number of restarts at the next change to a state."""
        while True:
            found, restarts = await self.changes.get()
            if found is state:
                return restarts

    def _note(self) -> None:
        status = self.child.status
        self.changes.put_nowait((status.state, status.restarts))

    async def _answers(self) -> None:
        while b"up" not in self.log.read_bytes():  # noqa: ASYNC110 - another process's file raises no event here
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(log: Path, code: str, ready: Callable[[], Awaitable[None]] | None = None) -> AsyncGenerator[Watched]:
    lifeline, held = open_lifeline()
    try:
        watched = Watched(log, code, lifeline, ready)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(watched.child.run())
            yield watched
            task.cancel()
    finally:
        os.close(lifeline)
        os.close(held)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "it.log"


async def test_a_process_is_ready_once_it_answers_and_ends_when_cancelled(log: Path) -> None:
    async with running(log, PATIENT) as watched:
        assert not watched.child.ready.is_set()
        await watched.child.ready.wait()
        status = watched.child.status
        assert (status.name, status.state, status.restarts) == ("it", ProcessState.RUNNING, 0)
        assert psutil.pid_exists(status.pid)
    assert not psutil.pid_exists(status.pid)
    assert (watched.child.status.pid, watched.child.status.state) == (0, ProcessState.STOPPED)


async def test_a_process_that_dies_is_started_again(log: Path) -> None:
    async with running(log, PATIENT) as watched:
        await watched.until(ProcessState.RUNNING)
        first = watched.child.status.pid
        os.kill(first, signal.SIGKILL)
        assert await watched.until(ProcessState.BACKING_OFF) == 1
        assert await watched.until(ProcessState.RUNNING) == 1
        assert watched.child.status.pid not in {0, first}


async def test_pauses_between_restarts_grow_up_to_a_bound(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.03)
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("kea_sdk.platform.child.asyncio.sleep", noted)  # the pauses are what is tested
    async with running(log, "print('dying'); raise SystemExit(3)", never) as watched:
        while len(pauses) < 4:
            await watched.until(ProcessState.BACKING_OFF)
            await sleep(0)
        assert not watched.child.ready.is_set()
    assert pauses[:4] == [0.01, 0.02, 0.03, 0.03]
    assert last_line(log) == "dying"


async def test_a_process_that_will_not_end_is_killed(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    async with running(log, STUBBORN) as watched:
        await watched.child.ready.wait()
        pid = watched.child.status.pid
    assert not psutil.pid_exists(pid)


async def test_a_process_ends_with_the_lifeline(log: Path) -> None:
    lifeline, held = open_lifeline()
    watched = Watched(log, STUBBORN, lifeline)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watched.child.run())
        await watched.child.ready.wait()
        os.close(held)
        assert await watched.until(ProcessState.BACKING_OFF) == 1
        task.cancel()
    os.close(lifeline)


def test_a_childs_variables_do_not_show(log: Path) -> None:
    assert "hunter2" not in repr(Watched(log, "", 0).child.spec)


def test_the_last_line_is_of_what_was_written_since(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert last_line(log) == ""
    log.write_text("before\n")
    begin = log.stat().st_size
    assert (last_line(log), last_line(log, since=begin)) == ("before", "")
    with log.open("a") as file:
        file.write("one\ntwo\n \n\n")
    assert last_line(log, since=begin) == "two"
    log.write_bytes(b"x" * 10_000 + b"\n\xff\n")
    assert last_line(log) == "\ufffd"
