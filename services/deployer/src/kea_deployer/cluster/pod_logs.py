"""What pods wrote, asked of the cluster, and the deployer's own lines about a deployment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

from kea_core.task_scope import TaskScope

from kea_deployer.cluster.api import KubernetesApi
from kea_deployer.cluster.errors import KubernetesError
from kea_deployer.cluster.informer import Informer
from kea_deployer.domain.log_line import LogLine
from kea_deployer.provision.log_files import LogFiles

MAX_LINE_CHARACTERS = 16 * 1024
LOOK_SECONDS = 0.5
"""How often it is looked whether there are other pods to be followed."""
MOST_WAITING = 1000
"""Lines read ahead of whoever follows; the pods' streams wait then."""


class PodLogs:
    """Implements `kea_deployer.domain.ports.Logs`."""

    def __init__(self, api: KubernetesApi, pods: Informer, own: LogFiles) -> None:
        self._api = api
        self._pods = pods
        self._own = own

    async def tail(self, key: str, lines: int) -> Sequence[LogLine]:
        """Returns a deployment's last lines, oldest first."""
        found = list(await self._own.tail(key, lines))
        for pod, restarts in self._of(key).items():
            found += await self._read(pod, lines, previous=False)
            if restarts:
                found += await self._read(pod, lines, previous=True)
        return sorted(found, key=lambda line: line.time)[-lines:]

    async def follow(
        self, key: str, lines: int, there: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Yields the last lines, oldest first, and then those to come, until the deployment is not `there` any more."""
        begun = datetime.now(UTC)
        if first := await self.tail(key, lines):
            yield first
            begun = max(begun, first[-1].time)
        news: asyncio.Queue[LogLine] = asyncio.Queue(MOST_WAITING)
        heard = dict[str, datetime]()  # per pod: another's clock and another's stream may be ahead
        async with TaskScope() as tasks:
            tasks.create_task(self._follow_own(key, begun, news, there), name=f"follow {key}")
            followed = dict[str, asyncio.Task[None]]()
            while True:
                for pod in self._of(key):
                    if pod not in followed or followed[pod].done():
                        work = self._follow_pod(pod, heard.get(pod, begun), news)
                        followed[pod] = tasks.create_task(work, name=f"follow {pod}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        batch = [await news.get()]
                    while not news.empty():
                        batch.append(news.get_nowait())
                    heard |= {line.replica: line.time for line in batch}
                    yield sorted(batch, key=lambda line: line.time)
                    continue
                if not await there():
                    return

    def _of(self, key: str) -> dict[str, int]:
        """Returns a deployment's pods, and how often each was started again."""
        project, _, deployment = key.partition(".")
        found: dict[str, int] = {}
        for item in self._pods.of(f"projects/{project}/deployments/{deployment}"):
            containers = (item.get("status") or {}).get("containerStatuses") or []
            found[item["metadata"]["name"]] = sum(int(container.get("restartCount", 0)) for container in containers)
        return found

    async def _read(self, pod: str, lines: int, *, previous: bool) -> list[LogLine]:
        try:
            async with self._api.log(pod, lines=lines, follow=False, previous=previous) as stream:
                return [line async for raw in stream if (line := _line(pod, raw)) is not None]
        except KubernetesError:
            return []  # it has written nothing yet, or is gone

    async def _follow_pod(self, pod: str, since: datetime, news: asyncio.Queue[LogLine]) -> None:
        with contextlib.suppress(KubernetesError):
            async with self._api.log(pod, lines=MOST_WAITING, follow=True) as stream:
                async for raw in stream:
                    line = _line(pod, raw)
                    if line is not None and line.time > since:
                        await news.put(line)

    async def _follow_own(
        self, key: str, since: datetime, news: asyncio.Queue[LogLine], there: Callable[[], Awaitable[bool]]
    ) -> None:
        async for lines in self._own.follow(key, MOST_WAITING, there):
            for line in lines:
                if line.time > since:
                    await news.put(line)


def _line(pod: str, raw: bytes) -> LogLine | None:
    stamp, _, text = raw.decode(errors="replace").partition(" ")
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return LogLine(time, pod, text[:MAX_LINE_CHARACTERS].rstrip("\r"))
