"""Two ways of running the services: all in this process, or each in its own."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kea_core.task_scope import first_error

from kea_sdk.platform.child import STOP_SECONDS, Child, ChildSpec
from kea_sdk.platform.errors import PlatformError
from kea_sdk.platform.services import Service
from kea_sdk.platform.state import ProcessState, ProcessStatus

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.02
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "SSL_CERT_FILE")
"""Variables that children get besides their own settings; those of uv, pip and proxies as well."""
INHERITED_PREFIXES = ("UV_", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


class Hosted(Protocol):
    """A service that runs, wherever it does."""

    ready: asyncio.Event

    @property
    def status(self) -> ProcessStatus:
        """How it is doing."""
        ...

    async def run(self) -> None:
        """Runs it until cancelled, then ends it."""
        ...


class InProcess:
    """A service in this process's event loop. Where it fails, the platform fails, loudly."""

    def __init__(self, service: Service, changed: Callable[[], None]) -> None:
        self._service = service
        self._changed = changed
        self._stop = asyncio.Event()
        self._ended = False
        self.ready = asyncio.Event()

    @property
    def status(self) -> ProcessStatus:
        """How it is doing."""
        state = ProcessState.RUNNING if self.ready.is_set() else ProcessState.STARTING
        if self._ended:
            return ProcessStatus(self._service.name, 0, self._service.address, ProcessState.STOPPED)
        return ProcessStatus(self._service.name, os.getpid(), self._service.address, state)

    async def run(self) -> None:
        """Runs it until cancelled, then lets it drain; one that never came up has nothing to drain.

        Raises:
            PlatformError: it failed.
        """
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(self._serve(), name=self._service.name)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is not None:
                    current.uncancel()  # so that the group waits for the service to drain instead of cancelling it
                self._stop.set()
                await asyncio.wait([serving], timeout=STOP_SECONDS if self.ready.is_set() else 0.0)
                serving.cancel()

    async def _serve(self) -> None:
        try:
            try:
                await self._service.start(self._stop, self._become_ready)
            finally:
                self._ended = True
                self._changed()
        except Exception as error:
            log.exception("service failed", extra={"failed": self._service.name})
            cause = first_error(error)
            text = " ".join(str(cause).split())
            problem = f"{self._service.name} failed: {type(cause).__name__}{f': {text}' if text else ''}"
            raise PlatformError(problem) from error
        if not self._stop.is_set():
            problem = f"{self._service.name} ended by itself"
            raise PlatformError(problem)

    def _become_ready(self) -> None:
        self.ready.set()
        self._changed()


def as_process(service: Service, log: Path, lifeline: int, changed: Callable[[], None]) -> Child:
    """Returns the service as a process of its own."""

    async def ready() -> None:
        await until_serving(service.address)

    spec = ChildSpec(
        name=service.name,
        argv=(sys.executable, "-m", service.module),
        environment=child_environment() | service.environment,
        address=service.address,
        log=log,
        ready=ready,
    )
    return Child(spec, lifeline, changed)


def child_environment() -> dict[str, str]:
    """Returns what children inherit of this process's environment: no tokens, no settings of KEA's."""
    return {key: value for key, value in os.environ.items() if key in INHERITED or key.startswith(INHERITED_PREFIXES)}


async def until_serving(address: str) -> None:
    """Returns once the gRPC server at `address` says it is SERVING."""
    options = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 100)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # it has no types
        while True:
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5, wait_for_ready=True)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.aio.AioRpcError:
                pass  # not there yet; the caller bounds the time
            await asyncio.sleep(LOOK_SECONDS)
