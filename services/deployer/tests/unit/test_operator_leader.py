from __future__ import annotations

import asyncio
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from kea_deployer.cluster.errors import KubernetesAway, KubernetesRefused
from kea_deployer.cluster.leader import Leader, Terms, bid

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TERMS = Terms(hold_seconds=1.0, renew_seconds=0.02, give_up_seconds=0.3, release_seconds=0.1)


def lease(holder: str, seconds: int = 15, transitions: int = 3) -> dict[str, Any]:
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": "2025-01-01T00:00:00.000000Z",
        "renewTime": "2025-01-01T00:00:00.000000Z",
        "leaseTransitions": transitions,
    }
    return {"metadata": {"name": "operator", "resourceVersion": "7"}, "spec": spec}


def test_a_lease_that_nobody_holds_is_taken() -> None:
    assert bid(None, "me", 0, NOON, Terms()) == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T12:00:00.000000Z",
        "renewTime": "2026-01-01T12:00:00.000000Z",
        "leaseTransitions": 0,
    }
    given_back = bid(lease(""), "me", 0, NOON, Terms())
    assert given_back is not None
    assert (given_back["holderIdentity"], given_back["leaseTransitions"]) == ("me", 4)


def test_a_lease_of_another_is_left_alone_until_it_has_not_changed_for_as_long_as_it_holds() -> None:
    assert bid(lease("other"), "me", 14.9, NOON, Terms()) is None
    assert bid(lease("other", seconds=40), "me", 15, NOON, Terms()) is None
    taken = bid(lease("other"), "me", 15, NOON, Terms())
    assert taken is not None
    assert (taken["holderIdentity"], taken["leaseTransitions"]) == ("me", 4)


def test_what_is_written_in_a_lease_of_another_about_times_is_not_believed() -> None:
    assert bid(lease("other"), "me", 0, datetime(2036, 1, 1, tzinfo=UTC), Terms()) is None


def test_ones_own_lease_is_renewed_and_remembers_since_when_it_is_held() -> None:
    renewed = bid(lease("me"), "me", 0, NOON, Terms())
    assert renewed is not None
    assert (renewed["acquireTime"], renewed["renewTime"]) == (
        "2025-01-01T00:00:00.000000Z",
        "2026-01-01T12:00:00.000000Z",
    )
    assert renewed["leaseTransitions"] == 3


class FakeLeases:
    """One lease, kept as the API server does: writes need the present resource version."""

    namespace = "kea"

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.away = False

    async def get(self, kind: str, name: str) -> dict[str, Any] | None:
        assert (kind, name) == ("Lease", "operator")
        await self._answer()
        return deepcopy(self.lease)

    async def create(self, item: dict[str, Any]) -> dict[str, Any]:
        await self._answer()
        if self.lease is not None:
            raise KubernetesRefused(409, "AlreadyExists", "it is there")
        return self._put(item, 1)

    async def replace(self, item: dict[str, Any]) -> dict[str, Any]:
        await self._answer()
        assert self.lease is not None
        if item["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise KubernetesRefused(409, "Conflict", "it has changed")
        return self._put(item, int(item["metadata"]["resourceVersion"]) + 1)

    def _put(self, item: dict[str, Any], version: int) -> dict[str, Any]:
        self.lease = deepcopy(item)
        self.lease["metadata"]["resourceVersion"] = str(version)
        return deepcopy(self.lease)

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            problem = "gone fishing"
            raise KubernetesAway(problem)


class Worker:
    """Notes who works, and that never two do."""

    def __init__(self, leases: FakeLeases) -> None:
        self.leases: Any = leases
        self.working: list[str] = []
        self.history: list[str] = []

    def leader(self, name: str) -> Leader:
        return Leader(self.leases, "operator", name, monotonic=asyncio.get_running_loop().time, terms=TERMS)

    async def run(self, name: str) -> None:
        async def work() -> None:
            assert not self.working, f"{name} and {self.working} lead"
            self.working.append(name)
            self.history.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                self.working.remove(name)

        await self.leader(name).run(work)

    async def until(self, history: list[str]) -> None:
        async with asyncio.timeout(10):
            while self.history != history:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.005)


@pytest.fixture
def worker() -> Worker:
    return Worker(FakeLeases())


async def test_one_of_two_leads_and_the_other_follows_when_it_ends(worker: Worker) -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(worker.run("a"))
        await worker.until(["a"])
        second = tasks.create_task(worker.run("b"))
        await asyncio.sleep(TERMS.hold_seconds * 1.2)
        assert worker.working == ["a"]
        first.cancel()
        began = asyncio.get_running_loop().time()
        await worker.until(["a", "b"])
        assert asyncio.get_running_loop().time() - began < TERMS.hold_seconds, "what is given back need not run out"
        second.cancel()


async def test_who_cannot_renew_stops_before_another_may_begin(worker: Worker) -> None:
    async with asyncio.TaskGroup() as tasks:
        only = tasks.create_task(worker.run("a"))
        await worker.until(["a"])
        worker.leases.away = True
        began = asyncio.get_running_loop().time()
        while worker.working:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)
        assert asyncio.get_running_loop().time() - began < TERMS.hold_seconds
        worker.leases.away = False
        await worker.until(["a", "a"])
        only.cancel()


async def test_a_holder_that_was_killed_is_followed_once_its_lease_has_run_out(worker: Worker) -> None:
    worker.leases.lease = lease("killed", seconds=1)
    async with asyncio.TaskGroup() as tasks:
        only = tasks.create_task(worker.run("a"))
        await asyncio.sleep(0.5)
        assert not worker.working
        await worker.until(["a"])
        only.cancel()


async def test_what_the_work_raises_is_raised(worker: Worker) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        problem = "broken"
        raise ValueError(problem)

    with pytest.raises(ExceptionGroup) as caught:
        await worker.leader("a").run(work)
    assert caught.group_contains(ValueError, match="broken")
    assert worker.leases.lease["spec"]["holderIdentity"] == ""
