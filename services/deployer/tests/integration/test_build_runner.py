"""Running builds, on both databases; what makes images does as the test says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kea_core.clock import utc_now
from kea_core.database import DatabaseSettings, migrate, open_database
from kea_core.idempotency import SeenRequests
from kea_core.pages import Page
from kea_deployer.builds import build_runner
from kea_deployer.builds.build_housekeeping import BUILDS_KEPT, BuildHousekeeping
from kea_deployer.builds.build_logs import StoredBuildLogs
from kea_deployer.builds.build_runner import BuildRunner
from kea_deployer.domain.build import BUILD_BROKEN, Build, BuildState, Product
from kea_deployer.domain.build_ports import BuildRefusal, Seal
from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.main import MIGRATIONS
from kea_deployer.provision.log_files import LogFiles
from kea_deployer.store.build_store import SqlBuildStore
from kea_deployer.store.tables import REQUESTS

PRODUCT = Product("r/i:1@sha256:1", "r/base@sha256:2", {"linux/amd64": "click==1"}, 5)


class Workbench:
    """Makes what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.at_once = 0
        self.ends: dict[str, asyncio.Future[Any]] = {}
        self.naming = asyncio.Event()
        """Set while the tag of an image is pushed, which then waits for `named`."""
        self.named: asyncio.Future[None] | None = None
        self.tidied: asyncio.Future[None] | None = None
        """What is waited for at the end of what is cancelled."""

    def platforms(self, wanted: Sequence[str]) -> tuple[str, ...]:
        return tuple(wanted)

    def destination(self, model: ModelVersion) -> str:
        return model.name

    async def make(
        self, build: Build, *, note: Callable[[str], None], step: Callable[[str], None], seal: Seal
    ) -> Product:
        del note
        self.begun.append(build.name)
        self.at_once = max(self.at_once, len(self.begun) - sum(end.done() for end in self.ends.values()))
        step("packing: 1 of 2")
        step("packing: 2 of 2")
        end = self.ends[build.name] = asyncio.get_running_loop().create_future()
        try:
            product = await end
        except asyncio.CancelledError:
            if self.tidied is not None:
                await self.tidied
            raise
        try:
            with seal():
                if self.named is not None:
                    self.naming.set()
                    await self.named
        except ConnectionError:  # whoever names images waits for registries that are away
            await asyncio.Event().wait()
        return product


@pytest.fixture
async def store(database: DatabaseSettings) -> AsyncGenerator[SqlBuildStore, None]:
    await migrate(database, MIGRATIONS)
    async with open_database(database) as sessions:
        yield SqlBuildStore(sessions, SeenRequests(REQUESTS))


class Bench:
    """A store, a workbench and what tests do with them."""

    def __init__(self, store: SqlBuildStore, directory: Path, model: ModelVersion) -> None:
        self.store = store
        self.workbench = Workbench()
        self.logs = LogFiles(directory, max_bytes=1_000_000)
        self.model = model
        self.runner = BuildRunner(store, self.workbench, self.logs, clock=utc_now)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Has a runner run; it ends as a process does that is stopped."""
        self.runner = BuildRunner(self.store, self.workbench, self.logs, clock=utc_now)
        task = asyncio.ensure_future(self.runner.run())
        try:
            yield
        finally:
            assert not task.done(), task
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def queue(self, project: str = "default") -> Build:
        build = Build.queue(project, self.model, ("linux/amd64",), "r/i:1", utc_now())
        async with self.store.transaction() as transaction:
            await transaction.add(build)
        self.runner.wake()
        await asyncio.sleep(0.002)  # names tell the order by the millisecond
        return build

    async def cancel(self, build: Build) -> None:
        async with self.store.transaction() as transaction:
            found = await transaction.get(build.name)
            assert found is not None
            await transaction.replace(found.cancel(utc_now()))
        self.runner.wake()

    async def begun(self, build: Build) -> asyncio.Future[Any]:
        """Returns what ends a build, once that is being made."""
        async with asyncio.timeout(20):
            while build.name not in self.workbench.ends:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.005)
        return self.workbench.ends[build.name]

    async def until(self, build: Build, condition: Callable[[Build], bool]) -> Build:
        async with asyncio.timeout(20):
            while True:
                changed = self.store.next_change()
                async with self.store.reading() as transaction:
                    found = await transaction.get(build.name)
                assert found is not None
                if condition(found):
                    return found
                await changed.wait()

    async def ended(self, build: Build) -> Build:
        return await self.until(build, lambda found: found.ended)


@pytest.fixture
def bench(store: SqlBuildStore, tmp_path: Path, helpers: Any) -> Bench:
    return Bench(store, tmp_path / "logs", helpers.make_model(requirements=("click",)))


async def test_a_build_runs_and_what_it_made_is_kept(bench: Bench) -> None:
    async with bench.running():
        build = await bench.queue()
        end = await bench.begun(build)
        running = await bench.until(build, lambda found: found.step == "packing: 2 of 2")
        assert (running.state, running.model) == (BuildState.RUNNING, bench.model)
        end.set_result(PRODUCT)
        ended = await bench.ended(build)
    assert (ended.state, ended.product, ended.failure, ended.step) == (BuildState.SUCCEEDED, PRODUCT, None, "")
    assert ended.start_time is not None
    assert ended.end_time is not None
    assert build.create_time <= ended.start_time <= ended.end_time
    lines = [line.text for line in await bench.logs.tail(build.key, 100)]
    assert lines[1:] == ["packing: 1 of 2", "SUCCEEDED"], "what counts within a step is no line of its own"


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (
            BuildRefusal("ENVIRONMENT_FAILED", "no such\0package"),
            "ENVIRONMENT_FAILED",
            "no such\N{REPLACEMENT CHARACTER}package",
        ),
        (OSError(28, "No space left on device"), BUILD_BROKEN, "No space left on device"),
        (KeyError("secret"), BUILD_BROKEN, "KeyError; the deployer's log has the rest"),
    ],
)
async def test_a_build_fails_with_its_reason_and_the_next_one_runs(
    bench: Bench, error: Exception, reason: str, message: str
) -> None:
    async with bench.running():
        build, other = await bench.queue(), await bench.queue()
        (await bench.begun(build)).set_exception(error)
        failed = await bench.ended(build)
        assert failed.state is BuildState.FAILED
        assert failed.failure is not None
        assert (failed.failure.reason, failed.failure.message) == (reason, message)
        assert (await bench.logs.tail(build.key, 1))[0].text == f"FAILED {reason}: {message}"
        (await bench.begun(other)).set_result(PRODUCT)
        assert (await bench.ended(other)).state is BuildState.SUCCEEDED


async def test_two_run_at_once_and_projects_take_turns(bench: Bench) -> None:
    many = [await bench.queue("many") for _ in range(4)]
    few = await bench.queue("few")
    async with bench.running():
        first, second = await bench.begun(many[0]), await bench.begun(few)
        assert bench.workbench.begun == [many[0].name, few.name]
        first.set_result(PRODUCT)
        await bench.begun(many[1])
        second.set_result(PRODUCT)
        for build in many[1:]:
            (await bench.begun(build)).set_result(PRODUCT)
        for build in (*many, few):
            await bench.ended(build)
    assert bench.workbench.at_once == 2


async def test_a_build_that_runs_can_be_cancelled(bench: Bench) -> None:
    async with bench.running():
        build = await bench.queue()
        end = await bench.begun(build)
        await bench.cancel(build)
        ended = await bench.ended(build)
        assert end.cancelled(), "the work was ended, not left to itself"
    assert (ended.state, ended.product, ended.failure) == (BuildState.CANCELLED, None, None)


async def test_a_build_that_is_being_cancelled_is_left_to_tidy_up(bench: Bench) -> None:
    tidied = bench.workbench.tidied = asyncio.get_running_loop().create_future()
    async with bench.running():
        build = await bench.queue()
        await bench.begun(build)
        await bench.cancel(build)
        other = await bench.queue("other")
        end = await bench.begun(other)  # the runner has looked, and will again when this one has ended
        end.set_result(PRODUCT)
        await bench.ended(other)
        await bench.begun(await bench.queue("other"))
        tidied.set_result(None)
        assert (await bench.ended(build)).state is BuildState.CANCELLED
    assert not tidied.cancelled()


async def test_a_build_whose_tag_is_being_pushed_is_not_cancelled_any_more(bench: Bench) -> None:
    bench.workbench.named = asyncio.get_running_loop().create_future()
    async with bench.running():
        build = await bench.queue()
        (await bench.begun(build)).set_result(PRODUCT)
        await bench.workbench.naming.wait()
        await bench.cancel(build)
        other = await bench.queue()  # the runner has looked at the cancellation when this one begins
        await bench.begun(other)
        bench.workbench.named.set_result(None)
        assert (await bench.ended(build)).state is BuildState.SUCCEEDED


async def test_a_build_whose_tag_could_not_be_pushed_is_cancelled_after_all(bench: Bench) -> None:
    bench.workbench.named = asyncio.get_running_loop().create_future()
    async with bench.running():
        build = await bench.queue()
        (await bench.begun(build)).set_result(PRODUCT)
        await bench.workbench.naming.wait()
        await bench.cancel(build)
        await bench.begun(await bench.queue())
        bench.workbench.named.set_exception(ConnectionError())
        assert (await bench.ended(build)).state is BuildState.CANCELLED


async def test_what_a_runner_that_is_gone_had_under_way_is_made_again(bench: Bench) -> None:
    async with bench.running():
        build, unwanted = await bench.queue(), await bench.queue()
        for one in (build, unwanted):
            await bench.begun(one)
    bench.workbench.ends.clear()
    await bench.cancel(unwanted)  # what was killed did not get to hear of it
    left = bench.logs.file("default.gone", "deployer")
    async with bench.running():
        (await bench.begun(build)).set_result(PRODUCT)
        assert (await bench.ended(build)).state is BuildState.SUCCEEDED
        assert (await bench.ended(unwanted)).state is BuildState.CANCELLED
    assert bench.workbench.begun.count(unwanted.name) == 1
    assert not left.parent.exists(), "logs of builds that are gone go too"


async def test_a_database_that_is_away_for_a_while_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(build_runner, "PAUSE_SECONDS", 0.01)
    transaction, failures = bench.store.transaction, iter(range(3))

    @asynccontextmanager
    async def failing(*, commit: bool = True) -> AsyncGenerator[Any, None]:
        if next(failures, None) is not None:
            raise ConnectionError
        async with transaction(commit=commit) as opened:
            yield opened

    async with bench.running():
        build = await bench.queue()
        end = await bench.begun(build)
        monkeypatch.setattr(bench.store, "transaction", failing)
        with caplog.at_level(logging.CRITICAL):
            end.set_result(PRODUCT)
            assert (await bench.ended(build)).product == PRODUCT


async def test_a_log_is_followed_to_its_end(bench: Bench) -> None:
    logs = StoredBuildLogs(bench.logs, bench.store)
    build = await bench.queue()
    found: list[str] = []

    async def follow() -> None:
        async for lines in logs.follow(build.name, build.key, 10):
            found.extend(line.text for line in lines)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        async with bench.running():
            end = await bench.begun(build)
            await asyncio.sleep(0.3)
            assert found[-1] == "packing: 1 of 2"
            assert not following.done()
            end.set_result(PRODUCT)
            await following
    assert found[-1] == "SUCCEEDED"
    async with bench.store.transaction() as transaction:
        await transaction.remove(build.name)
    bench.logs.remove(build.key)
    assert [lines async for lines in logs.follow(build.name, build.key, 10)] == []


async def test_old_builds_are_forgotten_with_their_logs(bench: Bench) -> None:
    now = utc_now()
    old, young, queued = [await bench.queue() for _ in range(3)]
    async with bench.store.transaction() as transaction:
        await transaction.replace(old.succeed(PRODUCT, now - BUILDS_KEPT * 1.01))
        await transaction.replace(young.stop(now - BUILDS_KEPT * 0.99))
    forgotten, unfinished = list[str](), list[Build]()

    async def forget(key: str) -> None:
        forgotten.append(key)

    async def tidy(builds: list[Build]) -> None:
        unfinished.extend(builds)

    await BuildHousekeeping(bench.store, forget, tidy, clock=lambda: now).run_once()
    async with bench.store.reading() as transaction:
        assert set(await transaction.names()) == {young.name, queued.name}
    assert (forgotten, unfinished) == ([old.key], [queued])


async def test_builds_are_listed_newest_first_without_their_locks(bench: Bench) -> None:
    builds = [await bench.queue() for _ in range(3)]
    await bench.queue("other")
    async with bench.store.transaction() as transaction:
        await transaction.replace(builds[2].succeed(PRODUCT, utc_now()))
    async with bench.store.reading() as transaction:
        first = await transaction.page("default", Page(size=1, after=""))
        rest = await transaction.page("default", Page(size=2, after=first[0].name))
        by_operation = await transaction.operation_page("default", Page(size=2, after=""))
    assert [build.name for build in first] == [builds[2].name, builds[1].name], "one more tells that there is more"
    assert [build.name for build in rest] == [builds[1].name, builds[0].name]
    assert first[0].product is not None
    assert first[0].product.locks == {}
    assert [build.operation for build in by_operation] == sorted(build.operation for build in builds)
