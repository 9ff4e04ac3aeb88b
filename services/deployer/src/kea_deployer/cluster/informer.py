"""What a cluster holds of one kind, followed: listed once, then watched."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator

from kea_deployer.cluster.api import KubernetesApi, Object
from kea_deployer.cluster.errors import KubernetesError, KubernetesRefused
from kea_deployer.cluster.names import deployment_of

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 15.0


class Informer:
    """Objects by name, as new as the watch is; only those that belong to KEA's deployments.

    Args:
        api: the cluster.
        kind: of the objects.
        selector: of their labels.
        notice: called with a deployment's name whenever one of its objects has changed.
    """

    def __init__(self, api: KubernetesApi, kind: str, selector: str, notice: Callable[[str], None]) -> None:
        self._api = api
        self._kind = kind
        self._selector = selector
        self._notice = notice
        self._objects: dict[str, Object] = {}
        self._by_deployment: dict[str, dict[str, Object]] = {}
        self.synced = asyncio.Event()
        """Set once all objects are known."""

    def get(self, name: str) -> Object | None:
        """Returns an object, or None."""
        return self._objects.get(name)

    def of(self, deployment: str) -> Iterator[Object]:
        """Yields a deployment's objects."""
        yield from self._by_deployment.get(deployment, {}).values()

    def learn(self, item: Object) -> None:
        """Takes note of an object that the API server has just answered with, ahead of the watch."""
        known = self._objects.get(item["metadata"]["name"])
        if known is None or _version(known) < _version(item):
            self._put(item)

    async def run(self) -> None:
        """Follows until cancelled; where the server is away, what was known stays."""
        pause = FIRST_PAUSE_SECONDS
        since = ""
        while True:
            try:
                if not since:
                    since = await self._list()
                    pause = FIRST_PAUSE_SECONDS
                async for kind, item in self._api.watch(self._kind, self._selector, since):
                    since = str(item["metadata"]["resourceVersion"])
                    pause = FIRST_PAUSE_SECONDS
                    if kind == "DELETED":
                        self._remove(item["metadata"]["name"])
                    elif kind != "BOOKMARK":
                        self._put(item)
            except KubernetesRefused as error:
                since = ""  # mostly: too long ago to be told what changed since
                if not error.gone:
                    log.warning("watch refused", extra={"kind": self._kind, "problem": str(error)})
                    pause = await _rest(pause)
            except KubernetesError as error:
                log.warning("watch broke", extra={"kind": self._kind, "problem": str(error)})
                pause = await _rest(pause)

    async def _list(self) -> str:
        items, version = await self._api.list(self._kind, self._selector)
        there = {item["metadata"]["name"] for item in items}
        for name in self._objects.keys() - there:
            self._remove(name)
        for item in items:
            self._put(item)
        self.synced.set()
        return version

    def _put(self, item: Object) -> None:
        metadata = item["metadata"]
        metadata.pop("managedFields", None)  # half of an object's size, and of no use here
        self._objects[metadata["name"]] = item
        deployment = deployment_of(metadata.get("labels") or {})
        if deployment is not None:
            self._by_deployment.setdefault(deployment, {})[metadata["name"]] = item
            self._notice(deployment)

    def _remove(self, name: str) -> None:
        item = self._objects.pop(name, None)
        deployment = None if item is None else deployment_of(item["metadata"].get("labels") or {})
        if deployment is not None and deployment in self._by_deployment:
            self._by_deployment[deployment].pop(name, None)
            if not self._by_deployment[deployment]:
                del self._by_deployment[deployment]
            self._notice(deployment)


def _version(item: Object) -> int:
    """Resource versions may be compared as numbers since Kubernetes 1.35 promises it; etcd's always were such."""
    return int(item["metadata"]["resourceVersion"])


async def _rest(pause: float) -> float:
    await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    return min(pause * 2, LONGEST_PAUSE_SECONDS)
