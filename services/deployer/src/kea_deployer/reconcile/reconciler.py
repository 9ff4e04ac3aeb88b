"""The loop that makes what is what is wanted: one worker per deployment, woken by name."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from kea_core.clock import Clock

from kea_deployer.domain.deployment import Deployment
from kea_deployer.domain.operation import Verb, advanced
from kea_deployer.domain.plan import Plan, Platform
from kea_deployer.domain.ports import DeploymentStore
from kea_deployer.reconcile.wake_queue import WakeQueue

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
"""Between two tries where the database or the platform fails."""
AT_ONCE = 8
"""Deployments looked at at the same time: each takes a connection of the database."""


class Reconciler:
    """Level-triggered: a name says where to look, never what happened; names that come while one works are one."""

    def __init__(self, store: DeploymentStore, platform: Platform, queue: WakeQueue, *, clock: Clock) -> None:
        self._store = store
        self._platform = platform
        self._queue = queue
        self._clock = clock
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._pauses: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Looks at all deployments there are, then at those that are woken, until cancelled."""
        async with self._store.reading() as transaction:
            for deployment in await transaction.all():
                self._queue.wake(deployment.name)
        try:
            async with asyncio.TaskGroup() as workers:
                while True:
                    name = await self._queue.next()
                    if name in self._working:
                        self._again.add(name)
                        continue
                    self._working.add(name)
                    workers.create_task(self._work(name), name=f"reconcile {name}")
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _work(self, name: str) -> None:
        try:
            async with self._turns:
                self._again.discard(name)
                pause = await self._look(name)
            self._pauses.pop(name, None)
        except Exception:
            # A database that is away for a while must not end the process that keeps the replicas.
            log.exception("reconciling failed", extra={"deployment": name})
            pause = self._pauses.get(name, FIRST_PAUSE_SECONDS)
            self._pauses[name] = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            self._working.discard(name)
        if name in self._again:
            self._again.discard(name)
            self._queue.wake(name)
        elif pause is not None:
            self._wake_later(name, pause)

    def _wake_later(self, name: str, seconds: float) -> None:
        before = self._timers.pop(name, None)
        if before is not None:
            before.cancel()

        def due() -> None:
            self._timers.pop(name, None)
            self._queue.wake(name)

        self._timers[name] = asyncio.get_running_loop().call_later(seconds, due)

    async def _look(self, name: str) -> float | None:
        """Observes, decides, writes, acts; returns after how many seconds to look again, or None."""
        async with self._store.reading() as transaction:
            deployment = await transaction.get(name)
        if deployment is None:
            await self._platform.forget(name)
            return None
        now = self._clock()
        plan = self._platform.plan(deployment, now)
        if plan.gone:
            await self._remove(deployment)
            await self._platform.forget(name)
            return None
        if plan.status != deployment.status:
            if not await self._write(deployment, plan):
                return 0.0
            _tell(deployment, plan)
        await self._platform.apply(replace(deployment, status=plan.status), plan.actions)
        return None if plan.again_time is None else max((plan.again_time - now).total_seconds(), 0.0)

    async def _write(self, deployment: Deployment, plan: Plan) -> bool:
        """Writes the status and what follows for operations; False where the deployment has changed meanwhile."""
        now = self._clock()
        async with self._store.transaction() as transaction:
            if await transaction.get(deployment.name) != deployment:
                return False
            changed = await transaction.replace(replace(deployment, status=plan.status), wanted=False)
            for operation in await transaction.unfinished(deployment.name):
                following = advanced(operation, changed, now)
                if following != operation:
                    await transaction.put_operation(following)
        return True

    async def _remove(self, deployment: Deployment) -> None:
        now = self._clock()
        async with self._store.transaction() as transaction:
            for operation in await transaction.unfinished(deployment.name):
                ended = (
                    operation.succeed(now) if operation.verb is Verb.DELETE else advanced(operation, deployment, now)
                )
                await transaction.put_operation(ended)
            await transaction.remove(deployment.name)
        log.info("deployment removed", extra={"deployment": deployment.name})


def _tell(deployment: Deployment, plan: Plan) -> None:
    """Logs a change of state, not each step."""
    if plan.status.state is not deployment.status.state:
        problem = plan.status.problem
        log.info(
            "deployment changed",
            extra={
                "deployment": deployment.name,
                "state": plan.status.state.value,
                "reason": problem.reason if problem else "",
            },
        )
