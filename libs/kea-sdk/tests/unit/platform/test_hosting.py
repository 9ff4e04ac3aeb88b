from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from kea_sdk.platform.errors import PlatformError
from kea_sdk.platform.hosting import InProcess, child_environment
from kea_sdk.platform.services import Service
from kea_sdk.platform.state import ProcessState

Start = Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]]


def hosted(start: Start, changed: Callable[[], None] = lambda: None) -> InProcess:
    return InProcess(
        Service("registry", "unix:/x", "kea_registry", {"KEA_REGISTRY_DATABASE_URL": "s3cret"}, start), changed
    )


def only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    (found,) = group.exceptions
    return only(found) if isinstance(found, BaseExceptionGroup) else found


async def hang(stop: asyncio.Event, ready: Callable[[], None]) -> None:
    await asyncio.Event().wait()


async def failure_of(start: Start) -> str:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await hosted(start).run()
    error = only(caught.value)
    assert isinstance(error, PlatformError)
    return str(error)


async def test_a_service_that_cannot_start_fails_with_its_cause_in_one_line() -> None:
    async def start(stop: asyncio.Event, ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(hang(stop, ready))
            problem = "the database\n  is locked"
            raise OSError(problem)

    assert await failure_of(start) == "registry failed: OSError: the database is locked"


async def test_a_cause_without_words_is_called_by_its_name() -> None:
    async def start(stop: asyncio.Event, ready: Callable[[], None]) -> None:
        raise NotImplementedError

    assert await failure_of(start) == "registry failed: NotImplementedError"


async def test_a_service_that_ends_by_itself_fails() -> None:
    async def start(stop: asyncio.Event, ready: Callable[[], None]) -> None:
        ready()

    assert await failure_of(start) == "registry ended by itself"


async def test_a_service_that_is_not_ready_ends_at_once_when_cancelled() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def start(stop: asyncio.Event, ready: Callable[[], None]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with asyncio.timeout(2), asyncio.TaskGroup() as tasks:
        service = hosted(start)
        running = tasks.create_task(service.run())
        await begun.wait()
        assert service.status.state is ProcessState.STARTING
        running.cancel()
    assert ended.is_set()
    assert service.status.state is ProcessState.STOPPED


async def test_a_service_that_is_ready_drains_when_cancelled() -> None:
    drained = False
    told: list[ProcessState] = []

    async def start(stop: asyncio.Event, ready: Callable[[], None]) -> None:
        nonlocal drained
        ready()
        await stop.wait()
        await asyncio.sleep(0)  # a call that is still at work
        drained = True

    service = hosted(start, lambda: told.append(service.status.state))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(service.run())
        await service.ready.wait()
        running.cancel()
    assert drained
    assert told == [ProcessState.RUNNING, ProcessState.STOPPED]


async def test_a_service_that_does_not_drain_is_cancelled_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kea_sdk.platform.hosting.STOP_SECONDS", 0.05)

    async def start(stop: asyncio.Event, ready: Callable[[], None]) -> None:
        ready()
        await asyncio.Event().wait()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        service = hosted(start)
        running = tasks.create_task(service.run())
        await service.ready.wait()
        running.cancel()


async def test_a_service_that_fails_while_it_drains_says_so() -> None:
    async def start(stop: asyncio.Event, ready: Callable[[], None]) -> None:
        ready()
        await stop.wait()
        raise OSError

    service = hosted(start)

    async def cancelled() -> None:
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(service.run())
            await service.ready.wait()
            running.cancel()

    with pytest.raises(BaseExceptionGroup) as caught:
        await cancelled()
    assert str(only(caught.value)) == "registry failed: OSError"


def test_children_inherit_neither_tokens_nor_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEA_TOKEN", "KEA_DATABASE", "AWS_SECRET_ACCESS_KEY", "UV_CACHE_DIR", "https_proxy"):
        monkeypatch.setenv(name, "x")
    found = child_environment()
    assert {"UV_CACHE_DIR", "https_proxy", "PATH"} <= set(found)
    assert not {"KEA_TOKEN", "KEA_DATABASE", "AWS_SECRET_ACCESS_KEY"} & set(found)


def test_settings_of_services_do_not_show_in_reprs() -> None:
    assert "s3cret" not in repr(Service("a", "b", "c", {"KEA_A_DATABASE_URL": "s3cret"}, hang))
