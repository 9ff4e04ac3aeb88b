from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kea.deployer.v1 import deployment_service_pb2, deployment_service_pb2_grpc
from kea_core.client import open_channel
from kea_core.testing.peers import FakeDeployer, serve_deployer
from kea_core.watching import follow

Response = deployment_service_pb2.WatchDeploymentsResponse


class Deployer(FakeDeployer):
    """Keeps the revisions it was asked from."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    async def WatchDeployments(  # noqa: N802 - the proto's name
        self, request: Any, context: Any
    ) -> AsyncIterator[Response]:
        self.asked.append(request.since_revision)
        async for response in super().WatchDeployments(request, context):
            yield response


class Follower:
    """Follows a deployer and keeps the names of what is there."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.names: set[str] = set()
        self.forgotten = 0
        self._synced: asyncio.Queue[int] = asyncio.Queue()

    @asynccontextmanager
    async def following(self, since: int = 0) -> AsyncGenerator[None, None]:
        async with open_channel(self._address) as channel, asyncio.TaskGroup() as tasks:
            stub = deployment_service_pb2_grpc.DeploymentServiceStub(channel)

            async def watch(revision: int) -> AsyncIterator[int]:
                request = deployment_service_pb2.WatchDeploymentsRequest(since_revision=revision)
                async for response in stub.WatchDeployments(request):
                    self._apply(response)
                    yield response.revision

            task = tasks.create_task(follow("deployments", watch, since=since, forget=self._forget))
            yield
            task.cancel()

    def _apply(self, response: Response) -> None:
        change = response.WhichOneof("change")
        if change == "upserted":
            self.names.add(response.upserted.name)
        elif change == "deleted":
            self.names.discard(response.deleted)
        else:
            self._synced.put_nowait(response.revision)

    def _forget(self) -> None:
        self.forgotten += 1
        self.names.clear()

    async def until(self, names: Iterable[str]) -> None:
        """Waits until exactly these are there."""
        async with asyncio.timeout(10):
            while True:
                await self._synced.get()
                if self.names == set(names):
                    return


async def test_a_follower_goes_on_from_where_it_was_when_its_peer_is_back(sockets: Path) -> None:
    deployer, follower = Deployer(), Follower(f"unix:{sockets}/d")
    async with follower.following():
        async with serve_deployer(f"unix:{sockets}/d", deployer):
            deployer.put("a")
            deployer.put("b")
            await follower.until("ab")
        deployer.put("c")
        deployer.remove("a")
        async with serve_deployer(f"unix:{sockets}/d", deployer):
            await follower.until("bc")
    assert deployer.asked == [0, 2]
    assert follower.forgotten == 0


async def test_a_follower_begins_before_its_peer(sockets: Path) -> None:
    deployer, follower = Deployer(), Follower(f"unix:{sockets}/d")
    deployer.put("a")
    async with follower.following(), serve_deployer(f"unix:{sockets}/d", deployer):
        await follower.until("a")


async def test_what_is_gone_goes_when_the_revision_is_too_old(sockets: Path) -> None:
    deployer, follower = Deployer(), Follower(f"unix:{sockets}/d")
    async with serve_deployer(f"unix:{sockets}/d", deployer), follower.following():
        deployer.put("a")
        deployer.put("b")
        await follower.until("ab")
        deployer.lose("a")
        deployer.interrupt()
        await follower.until("b")
    assert follower.forgotten == 1
    assert deployer.asked == [0, 0]


async def test_a_follower_may_begin_after_a_revision(sockets: Path) -> None:
    deployer, follower = Deployer(), Follower(f"unix:{sockets}/d")
    deployer.put("a")
    deployer.put("b")
    async with serve_deployer(f"unix:{sockets}/d", deployer), follower.following(since=1):
        await follower.until("b")
    assert deployer.asked == [1]


async def test_a_stream_that_ends_by_itself_is_opened_again() -> None:
    opened: asyncio.Queue[int] = asyncio.Queue()

    async def watch(revision: int) -> AsyncIterator[int]:
        opened.put_nowait(revision)
        yield revision + 1

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow("numbers", watch))
        assert [await opened.get() for _ in range(3)] == [0, 1, 2]
        task.cancel()


async def test_a_change_that_cannot_be_applied_ends_the_following() -> None:
    async def watch(revision: int) -> AsyncIterator[int]:
        yield revision
        raise LookupError

    with pytest.raises(LookupError):
        await follow("numbers", watch)
