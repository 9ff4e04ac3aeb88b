"""Runs the builds that are queued, and stops those that somebody cancels."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from kea_core.clock import Clock
from kea_core.resource_name import parse_name
from kea_core.task_scope import TaskScope

from kea_deployer.domain.build import BUILD_BROKEN, Build, BuildState, Product
from kea_deployer.domain.build_ports import BuildRefusal, BuildStore, Workshop
from kea_deployer.domain.build_queue import next_build
from kea_deployer.domain.plan import Failure
from kea_deployer.provision.log_files import LogFiles

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Time before what a database did not take is tried again."""
STEP_SECONDS = 0.5
"""Time between two steps that are written: they change more often than anyone reads them."""


@dataclass(slots=True)
class _Run:
    """One build under way."""

    build: Build
    work: asyncio.Task[None] = field(init=False)
    step: str = ""
    result: Product | Failure | None = None
    unwanted: bool = False
    """Whether it was cancelled."""
    sealed: bool = False
    """Whether its image is being named, or is: too late to be cancelled."""

    def cancel(self) -> None:
        """Ends the work, unless it is too late; once, so that it is left to tidy up."""
        if not self.unwanted and not self.sealed:
            self.work.cancel()
        self.unwanted = True

    @contextmanager
    def seal(self) -> Generator[None]:
        """Holds off who cancels; where naming the image fails they get what they want."""
        if self.unwanted:
            raise asyncio.CancelledError
        self.sealed = True
        try:
            yield
        except Exception as error:
            self.sealed = False
            if self.unwanted:
                raise asyncio.CancelledError from error
            raise


class BuildRunner:
    """Level-triggered: when woken it compares what is queued, runs and is cancelled with what is under way here.

    A build is written as running before its work begins and as ended after all is done, so that whoever is killed in
    between leaves a build that runs, which the next one queues again.

    Args:
        store: keeps builds.
        workshop: makes images.
        logs: keeps what is noted.
        clock: tells the present.
        look_seconds: how often to look unwoken, where other processes take builds on as well. None: never.
    """

    def __init__(
        self,
        store: BuildStore,
        workshop: Workshop,
        logs: LogFiles,
        *,
        clock: Clock,
        look_seconds: float | None = None,
    ) -> None:
        self._store = store
        self._workshop = workshop
        self._logs = logs
        self._clock = clock
        self._look_seconds = look_seconds
        self._runs: dict[str, _Run] = {}
        self._served: list[str] = []
        """Projects in the order of their last turns, the latest last."""
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Has it look at what there is."""
        self._woken.set()

    async def run(self) -> None:
        """Takes up what the one before has left, then runs builds until cancelled."""
        self._runs.clear()  # of an earlier run, which was cancelled with all that it did
        await _persistently("taking builds up", self._take_up)
        async with TaskScope() as tasks:
            while True:
                self._woken.clear()
                await _persistently("looking at builds", lambda: self._look(tasks))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._look_seconds)

    async def _take_up(self) -> None:
        async with self._store.transaction() as transaction:
            for build in await transaction.running():
                await transaction.replace(build.resume(self._clock()))
                log.info("build taken up", extra={"build": build.name})
            keys = {".".join(parse_name(name, "projects", "builds")) for name in await transaction.names()}
        await asyncio.to_thread(self._logs.keep, keys)

    async def _look(self, tasks: TaskScope) -> None:
        async with self._store.reading() as transaction:
            queued, running = await transaction.queued(), await transaction.running()
        for build in running:
            if build.cancelling and build.name in self._runs:
                self._runs[build.name].cancel()
        while (build := next_build(queued, [run.build for run in self._runs.values()], self._served)) is not None:
            queued.remove(build)
            started = await self._start(build.name)
            if started is not None:
                self._served = [*(project for project in self._served if project != build.project), build.project]
                run = self._runs[build.name] = _Run(started)
                run.work = tasks.create_task(self._work(run), name=f"work on {build.name}")
                tasks.create_task(self._follow(run), name=f"build {build.name}")

    async def _start(self, name: str) -> Build | None:
        """Writes that a build runs; None where it is no longer queued."""
        async with self._store.transaction() as transaction:
            build = await transaction.get(name)
            if build is None or build.state is not BuildState.QUEUED:
                return None
            started = build.start(self._clock())
            await transaction.replace(started)
            return started

    async def _follow(self, run: _Run) -> None:
        """Writes how far it is, and how it ended; where this process is ended meanwhile, the next takes it up."""
        told = ""
        while not (await asyncio.wait([run.work], timeout=STEP_SECONDS))[0]:
            if run.step != told:
                told = run.step
                await self._write(run, partial(Build.at, step=told))
        end = _end(run.result, self._clock())
        ended = end(run.build)
        why = "" if ended.failure is None else f" {ended.failure.reason}: {ended.failure.message}"
        self._logs.note(run.build.key, f"{ended.state.value}{why}")  # before it is written: then all lines are there
        await self._write(run, end)
        log.info("build ended", extra={"build": run.build.name, "state": ended.state.value})
        del self._runs[run.build.name]
        self._woken.set()

    async def _work(self, run: _Run) -> None:
        build = run.build

        def note(line: str) -> None:
            self._logs.note(build.key, line)

        def step(text: str) -> None:
            if text.partition(":")[0] != run.step.partition(":")[0]:  # what follows counts, and would fill the log
                note(text)
            run.step = text

        note(f"building {build.destination} of {build.model.name} for {', '.join(build.platforms)}")
        try:
            run.result = await self._workshop.make(build, note=note, step=step, seal=run.seal)
        except BuildRefusal as error:
            run.result = Failure.told(error.reason, str(error), final=True)
        except Exception as error:
            # One build's trouble, a full disk for example, must not end the process that keeps all others'.
            log.exception("build failed", extra={"build": build.name})
            told = error.strerror if isinstance(error, OSError) else None
            message = told or f"{type(error).__name__}; the deployer's log has the rest"
            run.result = Failure.told(BUILD_BROKEN, message, final=True)
        if run.unwanted and not isinstance(run.result, Product):
            run.result = None  # its end came as it was being cancelled, and may well be of that

    async def _write(self, run: _Run, change: Callable[[Build], Build]) -> None:
        async def write() -> None:
            async with self._store.transaction() as transaction:
                build = await transaction.get(run.build.name)
                if build is not None and (changed := change(build)) != build:
                    await transaction.replace(changed)

        await _persistently("writing a build", write)


def _end(result: Product | Failure | None, now: datetime) -> Callable[[Build], Build]:
    """Returns what becomes of a build by what its work has come to; None: it was cancelled."""
    if isinstance(result, Product):
        return lambda build: build.succeed(result, now)
    if isinstance(result, Failure):
        return lambda build: build.fail(result, now)
    return lambda build: build.stop(now)


async def _persistently(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Does something with the database; one that is away for a while is waited for."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("builds wait for the database", extra={"work": what})
            await asyncio.sleep(PAUSE_SECONDS)
