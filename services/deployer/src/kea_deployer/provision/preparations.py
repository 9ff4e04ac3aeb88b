"""Laying the ground for replicas, beside the loop that decides about them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import grpc
from kea_core.task_scope import TaskScope

from kea_deployer.domain.conditions import Preparation
from kea_deployer.domain.deployment import ARTIFACT_FAILED, ENVIRONMENT_FAILED, Deployment
from kea_deployer.domain.plan import Failure
from kea_deployer.provision.artifacts import ArtifactError, Artifacts, ArtifactStalledError
from kea_deployer.provision.log_files import LogFiles
from kea_deployer.provision.uv import Note, UvError

log = logging.getLogger(__name__)

WAITING = "waiting for the registry"
G = TypeVar("G")
G_co = TypeVar("G_co", covariant=True)
RETRY_SECONDS = 1.0
"""Time between two calls of a registry that does not answer."""
PASSING = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNAVAILABLE,
    }
)
"""What a registry, or auth, that is restarted or has too much to do answers."""


Fetch = Callable[[], Awaitable[Path]]
"""Returns the directory of the model's files, once they are here."""


class Refusal(Exception):
    """The ground cannot be laid, and trying the same again cannot help.

    Args:
        reason: becomes the condition's.
        message: why, for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Lay(Protocol[G_co]):
    """Lays the ground for a deployment's replicas."""

    async def __call__(self, deployment: Deployment, fetch: Fetch, *, note: Note, step: Callable[[str], None]) -> G_co:
        """Returns it; `fetch` gets the artifact, `note` is told of lines for the log, `step` of what is under way.

        Raises:
            UvError: the model's requirements cannot be met.
            Refusal: something else is wrong with it.
        """
        ...


@dataclass(slots=True)
class _Work(Generic[G]):
    wanted_revision: int
    """For which it was begun: one that failed is done anew when something else is wanted."""
    state: Preparation = field(default_factory=Preparation)
    ground: G | None = None
    task: asyncio.Task[None] | None = None


class Preparations(Generic[G]):
    """One piece of work per deployment; `notice` is called with its name whenever it has come further."""

    def __init__(
        self,
        artifacts: Artifacts,
        lay: Lay[G],
        logs: LogFiles,
        *,
        tasks: TaskScope,
        notice: Callable[[str], None],
    ) -> None:
        self._artifacts = artifacts
        self._lay = lay
        self._logs = logs
        self._tasks = tasks
        self._notice = notice
        self._works: dict[str, _Work[G]] = {}

    def observe(self, deployment: Deployment) -> Preparation:
        """Returns how far it is; begins where nothing is under way."""
        work = self._works.get(deployment.name)
        if work is not None and work.state.failure is not None and work.wanted_revision != deployment.wanted_revision:
            work = None
        if work is None:
            work = _Work[G](deployment.wanted_revision, Preparation(step="fetching the artifact"))
            self._works[deployment.name] = work
            work.task = self._tasks.create_task(self._prepare(deployment, work), name=f"prepare {deployment.name}")
        return work.state

    def ground(self, name: str) -> G | None:
        """Returns what was laid out for a deployment, once it is whole."""
        work = self._works.get(name)
        return None if work is None else work.ground

    def forget(self, name: str) -> None:
        """Stops what is under way for a deployment."""
        work = self._works.pop(name, None)
        if work is not None and work.task is not None:
            work.task.cancel()

    async def _prepare(self, deployment: Deployment, work: _Work[G]) -> None:
        def note(line: str) -> None:
            self._logs.note(deployment.key, line)

        def step(text: str) -> None:
            self._advance(deployment, work, replace(work.state, step=text))

        async def fetch() -> Path:
            artifact = await self._fetch(deployment, work)
            self._advance(deployment, work, Preparation(artifact_ready=True))
            return artifact

        try:
            ground = await self._lay(deployment, fetch, note=note, step=step)
        except ArtifactError as error:
            self._fail(deployment, work, ARTIFACT_FAILED, str(error))
        except grpc.aio.AioRpcError as error:
            self._fail(deployment, work, ARTIFACT_FAILED, error.details() or error.code().name)
        except UvError as error:
            self._fail(deployment, work, ENVIRONMENT_FAILED, str(error))
        except Refusal as error:
            self._fail(deployment, work, error.reason, str(error))
        except Exception as error:
            # One deployment's trouble, a full disk for example, must not end the process that keeps all others'.
            log.exception("preparing failed", extra={"deployment": deployment.name})
            reason = ENVIRONMENT_FAILED if work.state.artifact_ready else ARTIFACT_FAILED
            told = error.strerror if isinstance(error, OSError) else None
            self._fail(deployment, work, reason, told or f"{type(error).__name__}; the deployer's log has the rest")
        else:
            work.ground = ground
            self._advance(deployment, work, Preparation(artifact_ready=True, environment_ready=True))

    async def _fetch(self, deployment: Deployment, work: _Work[G]) -> Path:
        while True:
            try:
                return await self._artifacts.get(deployment.model)
            except ArtifactStalledError as error:
                problem = str(error)
            except grpc.aio.AioRpcError as error:
                if error.code() not in PASSING:
                    raise
                problem = error.details() or error.code().name
            if work.state.step != WAITING:
                log.warning("registry does not answer", extra={"deployment": deployment.name, "problem": problem})
            self._advance(deployment, work, Preparation(step=WAITING))
            await asyncio.sleep(RETRY_SECONDS)

    def _advance(self, deployment: Deployment, work: _Work[G], state: Preparation) -> None:
        if state == work.state:
            return
        if state.step and state.step != work.state.step:
            self._logs.note(deployment.key, state.step)
        work.state = state
        self._notice(deployment.name)

    def _fail(self, deployment: Deployment, work: _Work[G], reason: str, message: str) -> None:
        failure = Failure.told(reason, message, final=True)
        self._logs.note(deployment.key, f"{reason}: {failure.message}")
        work.state = Preparation(artifact_ready=work.state.artifact_ready, failure=failure)
        self._notice(deployment.name)
