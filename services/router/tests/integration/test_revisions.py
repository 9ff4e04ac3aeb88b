"""What an endpoint has served is kept, on both databases, whichever router sees it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf import timestamp_pb2
from kea.deployer.v1 import pod_template_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2
from kea_core.database import open_database
from kea_core.pages import page_token
from kea_router.domain.endpoint import Endpoint
from kea_router.domain.revision import KEPT, Served
from kea_router.domain.revisions import Revisions
from kea_router.store.endpoint_store import SqlEndpointStore
from kea_router.store.tables import REVISIONS

LIST = endpoint_service_pb2.ListEndpointRevisionsRequest
PARENT = "projects/default"
NAME = f"{PARENT}/endpoints/iris"


def deployment(short: str) -> str:
    return f"{PARENT}/deployments/{short}"


def endpoint(**weights: int) -> endpoint_pb2.Endpoint:
    targets = [endpoint_pb2.Target(deployment=deployment(name), weight=weight) for name, weight in weights.items()]
    return endpoint_pb2.Endpoint(name=NAME, targets=targets)


async def create(router: Any, **weights: int) -> None:
    await router.endpoints.CreateEndpoint(
        endpoint_service_pb2.CreateEndpointRequest(parent=PARENT, endpoint_id="iris", endpoint=endpoint(**weights))
    )


async def aim(router: Any, **weights: int) -> None:
    await router.endpoints.UpdateEndpoint(endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint(**weights)))


async def revisions(router: Any) -> list[Any]:
    answer = await router.endpoints.ListEndpointRevisions(LIST(parent=NAME))
    return list(answer.endpoint_revisions)


async def history(router: Any) -> list[tuple[int, list[tuple[str, int]]]]:
    """Returns numbers, versions and weights, newest first."""
    return [
        (entry.number, [(target.model_version.rpartition("/")[2], target.weight) for target in entry.targets])
        for entry in await revisions(router)
    ]


def at(second: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=1_800_000_000 + second)


async def test_each_change_of_what_serves_is_kept_once_it_serves(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router:

        async def is_now(*expected: Any) -> bool:
            return await history(router) == list(expected)

        await create(router, v1=10_000)
        deployer.put(deployment("v1"), version=1)
        assert await history(router) == []
        deployer.put(deployment("v1"), [helpers.ready_replica()], version=1)
        first = (1, [("1", 10_000)])
        await helpers.eventually(lambda: is_now(first))
        deployer.put(deployment("v2"), [helpers.ready_replica("b")], version=2)
        await aim(router, v1=9_000, v2=1_000)
        second = (2, [("1", 9_000), ("2", 1_000)])
        await helpers.eventually(lambda: is_now(second, first))
        await aim(router, v2=10_000)
        deployer.remove(deployment("v1"))
        third = (3, [("2", 10_000)])
        await helpers.eventually(lambda: is_now(third, second, first))
        template = pod_template_pb2.PodTemplate(resource_requests={"cpu": "2", "memory": "1Gi"})
        deployer.put(
            deployment("v2"), [helpers.ready_replica("b")], version=2, pod_template=template, update_time=at(1)
        )
        await helpers.eventually(lambda: is_now((4, [("2", 10_000)]), third, second, first))
        newest, *_ = await revisions(router)
        assert (newest.name, newest.targets[0].deployment) == (f"{NAME}/revisions/4", deployment("v2"))
        assert newest.targets[0].pod_template == template
        assert newest.create_time.seconds > 0


async def test_replicas_that_come_and_go_make_no_revision(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router:

        async def count(number: int) -> bool:
            return len(await history(router)) == number

        await create(router, v1=10_000)
        for second, replicas in enumerate(("a", "ab", "", "abc", "a")):
            found = [helpers.ready_replica(name) for name in replicas]
            deployer.put(deployment("v1"), found, replica_count=len(replicas), update_time=at(second))
        deployer.put(deployment("v2"), [helpers.ready_replica("b")], version=2)
        await helpers.eventually(lambda: count(1))
        await aim(router, v2=10_000)
        await helpers.eventually(lambda: count(2))
        assert await history(router) == [(2, [("2", 10_000)]), (1, [("1", 10_000)])]


async def test_an_image_of_ones_own_is_kept_as_it_was_pinned(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router:

        async def there() -> list[Any]:
            return await revisions(router)

        await create(router, v1=10_000)
        pinned = "registry.example/iris@sha256:" + "0" * 64
        images = {"prebuilt_image": "registry.example/iris:latest", "image": pinned}
        deployer.put(deployment("v1"), [helpers.ready_replica()], **images)
        (found,) = await helpers.eventually(there)
        assert found.targets[0].prebuilt_image == pinned


async def test_a_router_that_starts_anew_keeps_nothing_twice_and_locks_nothing(
    start_router: Any, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router:

        async def is_there() -> bool:
            return await history(router) == [(1, [("1", 10_000)])]

        await create(router, v1=10_000)
        deployer.put(deployment("v1"), [helpers.ready_replica()])
        await helpers.eventually(is_there)
    asked: list[str] = []
    real = Revisions.record

    async def record(revisions: Revisions, endpoint: Endpoint, parts: tuple[Served, ...]) -> None:
        await real(revisions, endpoint, parts)
        asked.append(endpoint.name)

    def never(*_arguments: Any, **_options: Any) -> Any:
        pytest.fail("it locked the store")

    monkeypatch.setattr(Revisions, "record", record)
    monkeypatch.setattr(SqlEndpointStore, "transaction", never)
    async with start_router(deployer) as router:

        async def is_asked() -> list[str]:
            return asked

        await helpers.eventually(is_asked)
        assert await history(router) == [(1, [("1", 10_000)])]


async def test_two_routers_keep_one_history(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(start_router(deployer)) for _ in range(2)]
        await create(one, v1=10_000)
        expected: list[Any] = []
        for version in range(1, 6):
            name = f"v{version}"
            deployer.put(deployment(name), [helpers.ready_replica(name)], version=version, update_time=at(version))
            await aim(other if version % 2 else one, **{name: 10_000})
            expected.insert(0, (version, [(str(version), 10_000)]))

            async def is_now() -> bool:
                return await history(one) == expected == await history(other)

            await helpers.eventually(is_now)


async def test_pages_and_strangers(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router:
        await create(router, v1=10_000)
        for version in range(1, 4):
            deployer.put(deployment("v1"), [helpers.ready_replica()], version=version, update_time=at(version))

            async def is_there(number: int = version) -> bool:
                return len(await history(router)) == number

            await helpers.eventually(is_there)
        first = await router.endpoints.ListEndpointRevisions(LIST(parent=NAME, page_size=2))
        assert [entry.number for entry in first.endpoint_revisions] == [3, 2]
        rest = await router.endpoints.ListEndpointRevisions(
            LIST(parent=NAME, page_size=2, page_token=first.next_page_token)
        )
        assert ([entry.number for entry in rest.endpoint_revisions], rest.next_page_token) == ([1], "")
        missing = router.endpoints.ListEndpointRevisions(LIST(parent=f"{PARENT}/endpoints/none"))
        assert await helpers.refused(missing) == (grpc.StatusCode.NOT_FOUND, "ENDPOINT_NOT_FOUND")
        stranger = router.endpoints.ListEndpointRevisions(
            LIST(parent=f"{PARENT}/endpoints/none", page_token=first.next_page_token)
        )
        assert await helpers.refused(stranger) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
        for after in ("x", "²", "-1", "9" * 30):
            forged = router.endpoints.ListEndpointRevisions(
                LIST(parent=NAME, page_token=page_token(f"revisions of {NAME}", after))
            )
            assert await helpers.refused(forged) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


async def test_the_newest_are_kept_and_go_with_the_endpoint(start_router: Any, helpers: Any) -> None:
    deployer = helpers.FakeDeployer()
    async with start_router(deployer) as router:
        await create(router, v1=10_000)
        for version in range(1, KEPT + 3):
            deployer.put(deployment("v1"), [helpers.ready_replica()], version=version, update_time=at(version))

            async def is_there(number: int = version) -> bool:
                return (await history(router))[:1] == [(number, [(str(number), 10_000)])]

            await helpers.eventually(is_there)
        numbers = [number for number, _ in await history(router)]
        assert numbers == list(range(KEPT + 2, 2, -1))
        await router.endpoints.DeleteEndpoint(endpoint_service_pb2.DeleteEndpointRequest(name=NAME))
        async with open_database(router.settings.database) as sessions, sessions.reading() as session:
            assert (await session.execute(sa.select(sa.func.count()).select_from(REVISIONS))).scalar_one() == 0
        await create(router, v1=10_000)
        await helpers.eventually(lambda: _first(router))


async def _first(router: Any) -> bool:
    return [number for number, _ in await history(router)] == [1]
