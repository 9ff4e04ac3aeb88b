"""The custom resources of a kind that a cluster holds, followed: listed once, then watched."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from http import HTTPStatus

from kea_deployer.cluster.api import KubernetesApi, Object
from kea_deployer.cluster.errors import KubernetesError, KubernetesRefused
from kea_deployer.operator.resource import Key, Resource, read_resource

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 15.0


class Follower:
    """Resources by key, as new as the watches are.

    Args:
        apis: the namespaces, or one that stands for all.
        kind: of the resources.
        notice: called with the resource as it was and as it is, None where it is not, whenever one has changed.
    """

    def __init__(
        self, apis: Sequence[KubernetesApi], kind: str, notice: Callable[[Resource | None, Resource | None], None]
    ) -> None:
        self._apis = apis
        self._kind = kind
        self._notice = notice
        self._resources: dict[Key, Resource] = {}
        self._synced = [asyncio.Event() for _ in apis]

    async def wait(self) -> None:
        """Returns once all resources are known."""
        for event in self._synced:
            await event.wait()

    def get(self, key: Key) -> Resource | None:
        """Returns a resource, or None."""
        return self._resources.get(key)

    def all(self) -> list[Resource]:
        """Returns all resources."""
        return list(self._resources.values())

    def within(self, namespace: str) -> list[Resource]:
        """Returns a namespace's resources."""
        return [resource for key, resource in self._resources.items() if key.namespace == namespace]

    def learn(self, item: Object) -> None:
        """Takes note of an object that the API server has just answered with, ahead of the watch."""
        resource = read_resource(self._kind, item)
        known = self._resources.get(resource.key)
        if known is not None and int(known.version) < int(resource.version):
            self._put(resource)  # and tell of it: when the watch tells, there is no difference any more

    async def run(self) -> None:
        """Follows until cancelled; where the server is away, what was known stays."""
        async with asyncio.TaskGroup() as tasks:
            for api, synced in zip(self._apis, self._synced, strict=True):
                tasks.create_task(self._follow(api, synced), name=f"follow {self._kind} {api.namespace}")

    async def _follow(self, api: KubernetesApi, synced: asyncio.Event) -> None:
        pause = FIRST_PAUSE_SECONDS
        since = ""
        while True:
            try:
                if not since:
                    since = await self._list(api)
                    synced.set()
                    pause = FIRST_PAUSE_SECONDS
                async for kind, item in api.watch(self._kind, "", since):
                    since = str(item["metadata"]["resourceVersion"])
                    pause = FIRST_PAUSE_SECONDS
                    if kind == "DELETED":
                        self._remove(read_resource(self._kind, item).key)
                    elif kind != "BOOKMARK":
                        self._put(read_resource(self._kind, item))
            except KubernetesRefused as error:
                since = ""  # mostly: too long ago to be told what changed since
                if error.status != HTTPStatus.GONE:  # 404: the definition of its kind is not there (yet)
                    log.warning("watch refused", extra={"kind": self._kind, "problem": str(error)})
                    pause = await _rest(pause)
            except KubernetesError as error:
                log.warning("watch broke", extra={"kind": self._kind, "problem": str(error)})
                pause = await _rest(pause)

    async def _list(self, api: KubernetesApi) -> str:
        items, version = await api.list(self._kind, "")
        found = [read_resource(self._kind, item) for item in items]
        there = {resource.key for resource in found}
        for key in [key for key in self._resources if api.namespace in ("", key.namespace) and key not in there]:
            self._remove(key)
        for resource in found:
            self._put(resource)
        return version

    def _put(self, resource: Resource) -> None:
        before = self._resources.get(resource.key)
        self._resources[resource.key] = resource
        self._notice(before, resource)

    def _remove(self, key: Key) -> None:
        before = self._resources.pop(key, None)
        if before is not None:
            self._notice(before, None)


async def _rest(pause: float) -> float:
    await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    return min(pause * 2, LONGEST_PAUSE_SECONDS)
