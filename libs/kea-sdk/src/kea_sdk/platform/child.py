"""Child processes of the platform: started, watched, started again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kea_core.lifeline import guarded

from kea_sdk.platform.state import ProcessState, ProcessStatus

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.05
"""After a first crash: state is kept elsewhere, so being back soon is worth more than waiting."""
LONGEST_PAUSE_SECONDS = 10.0
HEALTHY_SECONDS = 30.0
"""After so long a run a crash counts as a first one again."""
STOP_SECONDS = 15.0
"""From the request to end until the kill."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    """Its variables; a database's password may be among them."""
    address: str
    log: Path
    """Standard output and error are appended here."""
    ready: Callable[[], Awaitable[None]]
    """Returns once the process answers."""


class Child:
    """One process that is kept running."""

    def __init__(self, spec: ChildSpec, lifeline: int, changed: Callable[[], None]) -> None:
        self.spec = spec
        self._lifeline = lifeline
        self._changed = changed
        self._process: Process | None = None
        self._state = ProcessState.STARTING
        self._restarts = 0
        self.ready = asyncio.Event()
        """Set once it has answered for the first time."""

    @property
    def status(self) -> ProcessStatus:
        """How it is doing."""
        pid = self._process.pid if self._process is not None and self._process.returncode is None else 0
        return ProcessStatus(self.spec.name, pid, self.spec.address, self._state, self._restarts)

    async def run(self) -> None:
        """Keeps it running until cancelled, then ends it."""
        pause = FIRST_PAUSE_SECONDS
        try:
            while True:
                started = time.monotonic()
                code = await self._run_once()
                if time.monotonic() - started > HEALTHY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                log.error("process ended", extra={"child": self.spec.name, "code": code, "log": str(self.spec.log)})
                self._restarts += 1
                self._become(ProcessState.BACKING_OFF)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            await self._end()

    async def _run_once(self) -> int:
        self._become(ProcessState.STARTING)
        self._process = await self._start()
        async with asyncio.TaskGroup() as tasks:
            readiness = tasks.create_task(self._await_ready(), name=f"readiness of {self.spec.name}")
            code = await self._process.wait()
            readiness.cancel()
        return code

    async def _await_ready(self) -> None:
        await self.spec.ready()
        self.ready.set()
        self._become(ProcessState.RUNNING)

    async def _start(self) -> Process:
        with self.spec.log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *guarded(self._lifeline, self.spec.argv),
                env=dict(self.spec.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._lifeline,),
                start_new_session=True,
            )

    async def _end(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            # Not asyncio.timeout: while a task is cancelled, Python before 3.11.3 raises another error from it.
            ended = asyncio.ensure_future(process.wait())
            done, _ = await asyncio.wait([ended], timeout=STOP_SECONDS)
            if not done:
                log.warning("process killed", extra={"child": self.spec.name})
                with contextlib.suppress(ProcessLookupError):  # it may just have ended
                    os.killpg(process.pid, signal.SIGKILL)
                await ended
        self._become(ProcessState.STOPPED)

    def _become(self, state: ProcessState) -> None:
        self._state = state
        self._changed()


def last_line(path: Path, *, since: int = 0, within: int = 4096) -> str:
    """Returns the last line of a log that is not empty, for an error message.

    Args:
        path: the log.
        since: size of what others have written before, in bytes; none of it is looked at.
        within: most bytes looked at.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(since, path.stat().st_size - within))
            lines: Sequence[str] = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")
