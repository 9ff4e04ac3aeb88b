"""One platform, from its start to its end."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from kea_auth.login.settings import LoginSettings
from kea_core.lifeline import open_lifeline
from kea_core.settings import read_settings
from kea_core.task_scope import TaskScope
from kea_deployer.builds.settings import ImageSettings
from kea_gateway.envoy.binary import find_envoy

from kea_sdk.platform.child import Child, ChildSpec, last_line
from kea_sdk.platform.envoy import envoy_command, write_bootstrap
from kea_sdk.platform.errors import PlatformError
from kea_sdk.platform.hosting import LOOK_SECONDS, Hosted, InProcess, as_process, child_environment
from kea_sdk.platform.layout import Layout
from kea_sdk.platform.options import START_SECONDS, UpOptions
from kea_sdk.platform.services import services_of
from kea_sdk.platform.state import PlatformState, PlatformStatus, write_status

log = logging.getLogger(__name__)


class Platform:
    """Services, Envoy, and the file that tells how they are doing."""

    def __init__(self, options: UpOptions, layout: Layout) -> None:
        self._options = options
        self._layout = layout
        self._hosted: list[Hosted] = []
        self._state = PlatformState.STARTING
        self._create_time = psutil.Process().create_time()

    async def run(self, stop: asyncio.Event, ready: Callable[[float], None]) -> None:
        """Runs until `stop`; calls `ready` with the seconds it took.

        Raises:
            PlatformError: it did not come up.
        """
        started = time.monotonic()
        lifeline, held = open_lifeline()
        try:
            self._hosted = self._build(lifeline)
            await self._run(stop, ready, started)
        finally:
            os.close(held)
            os.close(lifeline)
            self._become(PlatformState.STOPPED)

    def _build(self, lifeline: int) -> list[Hosted]:
        separate = self._options.processes
        here = {"KEA_AUTH_LOGIN_PUBLIC_URL": self._options.url}
        services = services_of(
            self._layout,
            self._options.database,
            lifeline=lifeline,
            keep_replicas=separate,
            images=read_settings(ImageSettings, "KEA_DEPLOYER_IMAGES", os.environ),
            login=read_settings(LoginSettings, "KEA_AUTH_LOGIN", here | os.environ),
        )
        hosted: list[Hosted] = []
        for service in services:
            if separate:
                log = self._layout.logs / f"{service.name}.log"
                hosted.append(as_process(service, log, lifeline, self._tell))
            else:
                hosted.append(InProcess(service, self._tell))
        return [*hosted, self._envoy(lifeline)]

    def _envoy(self, lifeline: int) -> Child:
        bootstrap = write_bootstrap(self._options, self._layout)
        spec = ChildSpec(
            name="envoy",
            argv=tuple(envoy_command(find_envoy(os.environ), bootstrap)),
            environment=child_environment(),
            address=f"{self._options.host}:{self._options.port}",
            log=self._layout.logs / "envoy.log",
            ready=self._answers,
        )
        return Child(spec, lifeline, self._tell)

    async def _run(self, stop: asyncio.Event, ready: Callable[[float], None], started: float) -> None:
        self._tell()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(hosted.run(), name=f"host {n}") for n, hosted in enumerate(self._hosted)]
            try:
                await self._until_ready(stop)
            except TimeoutError as error:
                raise PlatformError(self._why_not_ready()) from error
            if not stop.is_set():
                self._become(PlatformState.READY)
                ready(time.monotonic() - started)
            await stop.wait()
            self._become(PlatformState.STOPPING)
            for task in reversed(running):  # first the way in, then what stands behind it, each drained before the next
                task.cancel()
                await asyncio.wait([task])

    async def _until_ready(self, stop: asyncio.Event) -> None:
        """Returns once all answer, or at `stop`."""

        async def everything() -> None:
            for hosted in self._hosted:
                await hosted.ready.wait()

        async with asyncio.timeout(START_SECONDS), TaskScope() as tasks:
            waiting = [tasks.create_task(everything(), name="ready"), tasks.create_task(_set(stop), name="stop")]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    def _why_not_ready(self) -> str:
        missing = [hosted.status.name for hosted in self._hosted if not hosted.ready.is_set()]
        lines = [last_line(self._layout.logs / f"{name}.log") for name in missing]
        told = "; ".join(f"{name}: {line}" for name, line in zip(missing, lines, strict=True) if line)
        return f"not ready after {START_SECONDS:.0f} s: {', '.join(missing)}. {told}"

    async def _answers(self) -> None:
        """Returns once the gateway answers through Envoy."""
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            while True:
                try:
                    if (await client.get(f"{self._options.url}/readyz")).is_success:
                        return
                except httpx.TransportError:
                    pass  # not there yet; the caller bounds the time
                await asyncio.sleep(LOOK_SECONDS)

    def _become(self, state: PlatformState) -> None:
        self._state = state
        self._tell()

    def _tell(self) -> None:
        status = PlatformStatus(
            state=self._state,
            url=self._options.url,
            data=str(self._layout.data),
            pid=os.getpid(),
            create_time=self._create_time,
            processes=tuple(hosted.status for hosted in self._hosted),
        )
        try:
            write_status(self._layout.state, status)
        except OSError as error:  # a full disk must not end what runs
            log.warning("status not written", extra={"file": str(self._layout.state), "cause": str(error)})


async def _set(event: asyncio.Event) -> None:
    await event.wait()


@contextmanager
def only_one(layout: Layout) -> Generator[None, None, None]:
    """Holds the lock on the data; the kernel lets go of it when the process ends, however it ends.

    Raises:
        PlatformError: another platform runs on this data.
    """
    with layout.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            problem = f"a platform runs on {layout.data} already{_running(layout.state)}; stop it with `kea down`"
            raise PlatformError(problem) from error
        yield


def _running(state: Path) -> str:
    try:
        document = json.loads(state.read_text())
        return f" ({document['url']}, pid {document['pid']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
