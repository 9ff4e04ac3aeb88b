"""The process of one replica: started, found again, watched, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
from kea_core.lifeline import guarded

from kea_deployer.domain.deployment import MODEL_LOAD_FAILED, REPLICA_CRASHED, REPLICA_SILENT
from kea_deployer.domain.plan import Failure
from kea_deployer.local.launch import until_ended
from kea_deployer.local.observation import Observation
from kea_deployer.local.replica_files import ReplicaFiles

LOOK_SECONDS = 0.02
"""How often a starting replica is looked at: it tells by a file that it serves."""
HEALTHY_SECONDS = 30.0
"""Having served for so long, a replica that ends is started again at once."""
KILL_AFTER_SECONDS = 5.0
"""Time beyond the drain until a process that does not end is killed."""
RUNTIME_LOAD_FAILED = "RUNTIME_LOAD_FAILED"
KNOWN_SIGNALS = frozenset(signal.Signals)
FINAL = frozenset({MODEL_LOAD_FAILED, RUNTIME_LOAD_FAILED})
"""What the model server says when starting it again will not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take; see `kea_deployer.settings`."""

    health_interval_seconds: float
    health_timeout_seconds: float
    health_failures: int
    start_timeout_seconds: float
    drain_delay_seconds: float
    drain_seconds: float


class ReplicaProcess:
    """What is known of a replica's process; `notice` is called when that changes.

    Args:
        replica: its id.
        deployment: name of its deployment.
        files: where it listens and is told what to serve.
        timing: how long things may take.
        notice: called with the deployment's name.
    """

    def __init__(
        self, replica: str, deployment: str, files: ReplicaFiles, timing: Timing, notice: Callable[[str], None]
    ) -> None:
        self.replica = replica
        self.deployment = deployment
        self.files = files
        self._timing = timing
        self._notice = notice
        self._seen = Observation()
        self._ended = asyncio.Event()
        self._ended.set()
        self._draining = False

    @property
    def observation(self) -> Observation:
        """What is known of it now."""
        return self._seen

    @property
    def draining(self) -> bool:
        """Whether it is being ended."""
        return self._draining

    async def start(
        self, argv: list[str], lifeline: int, environ: Mapping[str, str], log: Path, log_bytes: int
    ) -> Watch:
        """Starts it; returns what watches it until it ends."""
        self.files.clear()
        process = await asyncio.create_subprocess_exec(
            *guarded(lifeline, argv, log=log, log_bytes=log_bytes),
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(lifeline,),
            start_new_session=True,
        )
        self._begin(process.pid)
        return lambda: self._watch(process.wait())

    def adopt(self, process: psutil.Process, *, answers: bool) -> Watch:
        """Takes a process that an earlier deployer started; returns what watches it until it ends.

        Args:
            process: the process.
            answers: whether it did when last seen: callers must not lose it until it is asked again.
        """
        self._begin(process.pid)
        self._seen = replace(self._seen, answers=answers)
        return lambda: self._watch(until_ended(process))

    async def drain(self) -> None:
        """Ends it once it has finished what it accepted; kills it where that takes too long."""
        if self._draining or not self._seen.running:
            return
        self._draining = True
        await asyncio.sleep(self._timing.drain_delay_seconds)
        await self.stop()

    async def stop(self) -> None:
        """Asks it to end, and waits; kills it where that takes too long."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._timing.drain_seconds + KILL_AFTER_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            self.kill()
            await self._ended.wait()

    def kill(self) -> None:
        """Ends it and all it started, at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._seen.running:
            with contextlib.suppress(ProcessLookupError):
                if number == signal.SIGKILL:
                    os.killpg(self._seen.pid, number)
                else:
                    os.kill(self._seen.pid, number)

    def _begin(self, pid: int) -> None:
        self._draining = False
        self._ended.clear()
        try:
            began = psutil.Process(pid).create_time()
        except psutil.Error:
            began = time.time()  # it has ended already, which the watch is about to find
        # Why it ended before is told until it answers.
        self._seen = Observation(
            running=True,
            failure=self._seen.failure,
            attempts=self._seen.attempts,
            pid=pid,
            process_time=began,
        )

    async def _watch(self, end: Awaitable[int | None]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                probing = tasks.create_task(self._probe(), name=f"probe {self.replica}")
                code = await end
                probing.cancel()
            self._seen = Observation(failure=self._failure(code), attempts=1 + self._seen.attempts)
        finally:
            self._ended.set()  # also where it is watched no longer: who waits for its end must not wait for ever
        self._notice(self.deployment)

    def _failure(self, code: int | None) -> Failure:
        """Returns why it ended."""
        report = self.files.report()
        if report is not None and report.reason in FINAL:
            return Failure.told(report.reason, report.message, final=True)
        if self._seen.silent and self._seen.failure is not None:  # it was ended
            return self._seen.failure
        return Failure(REPLICA_CRASHED, _told(code), final=False)

    async def _probe(self) -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(self.files.http_socket))
        timeout = self._timing.health_timeout_seconds
        async with httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False) as client:
            if not self._seen.answers:
                problem = await self._await_first_answer(client)
                if problem:
                    self._give_up(problem)
                    return
            await self._check_health(client)

    async def _await_first_answer(self, client: httpx.AsyncClient) -> str:
        """Returns why it must be ended, or nothing once it answers."""
        seconds = self._timing.start_timeout_seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    report = self.files.report()
                    if report is not None and report.state == "FAILED":
                        # It is about to end; threads of the model may keep it from that.
                        await asyncio.sleep(KILL_AFTER_SECONDS)
                        return "it has failed, and does not end"
                    if report is not None and report.state == "READY" and await _healthy(client):
                        self._see(answers=True)
                        return ""
                    await asyncio.sleep(LOOK_SECONDS)
        return f"no answer within {seconds:.0f} s of its start"

    async def _check_health(self, client: httpx.AsyncClient) -> None:
        since, failures = time.monotonic(), 0
        while True:
            await asyncio.sleep(self._timing.health_interval_seconds)
            failures = 0 if await _healthy(client) else failures + 1
            if failures >= self._timing.health_failures:
                self._give_up(f"{failures} health checks in a row were not answered")
                return
            self._see(answers=failures < max(self._timing.health_failures // 2, 1))
            if time.monotonic() - since > HEALTHY_SECONDS:
                self._seen = replace(self._seen, attempts=-1)  # the end that may come is as good as a first one

    def _give_up(self, why: str) -> None:
        self._seen = replace(self._seen, silent=True, answers=False, failure=Failure(REPLICA_SILENT, why, final=False))
        self._notice(self.deployment)

    def _see(self, *, answers: bool) -> None:
        if answers is not self._seen.answers:
            self._seen = replace(self._seen, answers=answers, failure=None if answers else self._seen.failure)
            self._notice(self.deployment)


Watch = Callable[[], Coroutine[Any, Any, None]]
"""Watches a process until it ends."""


async def _healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("http://replica/healthz")).is_success
    except httpx.HTTPError:
        return False


def _told(code: int | None) -> str:
    if code is None:
        return "the process ended"
    if code < 0:
        return f"the process was ended by {signal.Signals(-code).name if -code in KNOWN_SIGNALS else f'signal {-code}'}"
    return f"the process ended with code {code}"
