"""One replica's process, without a deployer around it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from kea_deployer.local.replica_files import ReplicaFiles
from kea_deployer.local.replica_process import ReplicaProcess, Timing, Watch

STUBBORN = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w').close(); time.sleep(60)"


NAME = "projects/default/deployments/echo"
TIMING = Timing(
    health_interval_seconds=0.1,
    health_timeout_seconds=0.1,
    health_failures=3,
    start_timeout_seconds=30.0,
    drain_delay_seconds=0.0,
    drain_seconds=0.0,
)


class Started:
    """A process that answers nobody, and what is known of it."""

    def __init__(self, files: ReplicaFiles, lifeline: int, directory: Path, timing: Timing = TIMING) -> None:
        self.noticed = asyncio.Event()
        self.process = ReplicaProcess("0badcafe", NAME, files, timing, lambda _: self.noticed.set())
        self.up = directory / "up"
        self._lifeline = lifeline
        self._log = directory / "log"

    async def start(self, code: str = STUBBORN) -> Watch:
        argv = [sys.executable, "-c", code, str(self.up)]
        return await self.process.start(argv, self._lifeline, dict(os.environ), log=self._log, log_bytes=1000)


@pytest.fixture
async def started(lifeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    monkeypatch.setattr("kea_deployer.local.replica_process.KILL_AFTER_SECONDS", 0.2)
    return Started(ReplicaFiles.of("0badcafe", tmp_path, tmp_path), lifeline.fd, tmp_path)


async def test_one_that_takes_no_notice_of_being_told_to_end_is_killed(started: Started, helpers: Any) -> None:
    watch = await started.start()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(watch())
        await helpers.eventually(started.up.exists)
        await started.process.drain()
    assert not started.process.observation.running
    assert started.process.observation.failure is not None
    assert started.process.observation.failure.message == "the process was ended by SIGKILL"


async def test_who_waits_for_the_end_of_one_that_is_watched_no_longer_does_not_wait_for_ever(
    started: Started, helpers: Any
) -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN, str(started.up)], start_new_session=True) as child:  # noqa: S603, ASYNC220 - the test's own command
        watching = asyncio.ensure_future(started.process.adopt(psutil.Process(child.pid), answers=True)())
        await helpers.eventually(started.up.exists)
        watching.cancel()
        await asyncio.wait({watching})
        async with asyncio.timeout(5):
            await started.process.stop()
        started.process.kill()
    assert child.returncode == -signal.SIGKILL


async def test_one_that_ends_tells_how_and_how_often(started: Started) -> None:
    for attempt in (1, 2):
        watch = await started.start("raise SystemExit(4)")
        assert started.process.observation.attempts == attempt - 1
        await watch()
        seen = started.process.observation
        assert (seen.running, seen.attempts) == (False, attempt)
        assert seen.failure is not None
        assert (seen.failure.message, seen.failure.final) == ("the process ended with code 4", False)


async def test_one_that_never_answers_is_silent_when_its_time_is_over(lifeline: Any, tmp_path: Path) -> None:
    files = ReplicaFiles.of("0badcafe", tmp_path, tmp_path)
    started = Started(files, lifeline.fd, tmp_path, replace(TIMING, start_timeout_seconds=0.2))
    watch = await started.start()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(watch())
        await started.noticed.wait()
        seen = started.process.observation
        assert (seen.running, seen.silent, seen.answers) == (True, True, False)
        started.process.kill()
    seen = started.process.observation
    assert seen.failure is not None
    assert (seen.failure.reason, seen.attempts) == ("REPLICA_SILENT", 1)


async def test_one_that_was_found_and_answered_before_is_taken_to_answer_until_it_is_asked(
    started: Started, helpers: Any
) -> None:
    watch = await started.start()
    found = psutil.Process(started.process.observation.pid)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(watch())
        await helpers.eventually(started.up.exists)
        files = started.process.files
        noticed = asyncio.Event()
        later = ReplicaProcess("0badcafe", NAME, files, TIMING, lambda _: noticed.set())
        adopted = later.adopt(found, answers=True)
        assert later.observation.answers
        group.create_task(adopted())
        await noticed.wait()  # it was asked, and did not answer
        assert not later.observation.answers
        os.kill(found.pid, signal.SIGKILL)
    assert later.observation.failure is not None
    assert not later.observation.running
