from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2, field_mask_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2

CREATE = endpoint_service_pb2.CreateEndpointRequest
GET = endpoint_service_pb2.GetEndpointRequest
LIST = endpoint_service_pb2.ListEndpointsRequest
UPDATE = endpoint_service_pb2.UpdateEndpointRequest
DELETE = endpoint_service_pb2.DeleteEndpointRequest

RETRY = endpoint_pb2.Endpoint.Retry
PARENT = "projects/default"
NAME = f"{PARENT}/endpoints/iris"
MISSING = (grpc.StatusCode.NOT_FOUND, "ENDPOINT_NOT_FOUND")
STALE = (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
OUT = (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")


def targets(**weights: int) -> list[endpoint_pb2.Target]:
    return [
        endpoint_pb2.Target(deployment=f"{PARENT}/deployments/{name}", weight=weight)
        for name, weight in weights.items()
    ]


def create(endpoint_id: str = "iris", parent: str = PARENT, **rest: Any) -> endpoint_service_pb2.CreateEndpointRequest:
    endpoint = endpoint_pb2.Endpoint(targets=rest.pop("targets", targets(v1=10_000)), **rest.pop("endpoint", {}))
    return CREATE(parent=parent, endpoint_id=endpoint_id, endpoint=endpoint, **rest)


def update(endpoint: endpoint_pb2.Endpoint, *paths: str, **rest: Any) -> endpoint_service_pb2.UpdateEndpointRequest:
    return UPDATE(endpoint=endpoint, update_mask=field_mask_pb2.FieldMask(paths=paths), **rest)


async def test_an_endpoint_is_made_once(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        wanted = {"timeout": duration_pb2.Duration(seconds=2)}
        shown = await router.endpoints.CreateEndpoint(create(endpoint=wanted, validate_only=True))
        assert shown.name == NAME
        assert await helpers.refused(router.endpoints.GetEndpoint(GET(name=NAME))) == MISSING
        made = await router.endpoints.CreateEndpoint(create(endpoint=wanted))
        assert (made.name, list(made.targets)) == (NAME, targets(v1=10_000))
        assert made.timeout.seconds == 2
        assert made.etag
        assert made.create_time == made.update_time
        assert made.state == endpoint_pb2.Endpoint.STATE_UNAVAILABLE
        assert made.reconciling
        assert await router.endpoints.GetEndpoint(GET(name=NAME)) == made
        for dry in (False, True):
            taken = (grpc.StatusCode.ALREADY_EXISTS, "ENDPOINT_EXISTS")
            assert await helpers.refused(router.endpoints.CreateEndpoint(create(validate_only=dry))) == taken


async def test_what_is_retried_is_said_kept_and_taken_back(start_router: Any) -> None:
    async with start_router() as router:
        made = await router.endpoints.CreateEndpoint(create())
        assert made.retry == RETRY.RETRY_UNSENT
        changed = await router.endpoints.UpdateEndpoint(
            update(endpoint_pb2.Endpoint(name=NAME, retry=RETRY.RETRY_UNANSWERED))
        )
        assert (changed.retry, list(changed.targets)) == (RETRY.RETRY_UNANSWERED, targets(v1=10_000))
        slow = endpoint_pb2.Endpoint(name=NAME, timeout=duration_pb2.Duration(seconds=9))
        kept = await router.endpoints.UpdateEndpoint(update(slow))
        assert kept.retry == RETRY.RETRY_UNANSWERED
        back = await router.endpoints.UpdateEndpoint(update(endpoint_pb2.Endpoint(name=NAME), "retry"))
        assert back.retry == RETRY.RETRY_UNSENT


async def test_the_same_request_again_gives_the_same_endpoint(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        asked = create(request_id=str(uuid.uuid4()))
        made = await asyncio.gather(*(router.endpoints.CreateEndpoint(asked) for _ in range(5)))
        assert {endpoint.etag for endpoint in made} == {made[0].etag}
        asked.endpoint_id = "other"
        reused = (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
        assert await helpers.refused(router.endpoints.CreateEndpoint(asked)) == reused
        dry = create("dry", request_id=str(uuid.uuid4()), validate_only=True)
        await router.endpoints.CreateEndpoint(dry)
        dry.validate_only = False
        assert (await router.endpoints.CreateEndpoint(dry)).name == f"{PARENT}/endpoints/dry"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (create(targets=targets(v1=9_999)), "WEIGHTS_INVALID"),
        (create(targets=[*targets(v1=5_000), *targets(v1=5_000)]), "TARGET_DUPLICATE"),
        (
            create(targets=[endpoint_pb2.Target(deployment="projects/other/deployments/v1", weight=10_000)]),
            "TARGET_PROJECT_MISMATCH",
        ),
        (create(endpoint={"timeout": duration_pb2.Duration(seconds=3601)}), "TIMEOUT_INVALID"),
        (create(endpoint={"timeout": duration_pb2.Duration(nanos=1)}), "TIMEOUT_INVALID"),
        (create(endpoint={"timeout": duration_pb2.Duration(seconds=-1)}), "TIMEOUT_INVALID"),
        (create(targets=[]), "FIELD_OUT_OF_BOUNDS"),
        (create(targets=targets(**{f"v{n}": 0 for n in range(16)}, v99=10_000)), "FIELD_OUT_OF_BOUNDS"),
        (create(targets=targets(v1=10_001, v2=-1)), "FIELD_OUT_OF_BOUNDS"),
        (create("Iris"), "FIELD_OUT_OF_BOUNDS"),
        (create(parent="default"), "FIELD_OUT_OF_BOUNDS"),
        (create(request_id="short"), "FIELD_OUT_OF_BOUNDS"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_reason(
    start_router: Any, helpers: Any, request_: Any, reason: str
) -> None:
    async with start_router() as router:
        for dry in (True, False):
            request_.validate_only = dry
            call = router.endpoints.CreateEndpoint(request_)
            assert await helpers.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        assert not (await router.endpoints.ListEndpoints(LIST(parent=PARENT))).endpoints


async def test_endpoints_are_listed_by_name_in_pages(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        names = ["a", "a-b", "a0", "ab", "b"]
        for name in reversed(names):
            await router.endpoints.CreateEndpoint(create(name))
        other = targets(v1=10_000)
        other[0].deployment = "projects/other/deployments/v1"
        await router.endpoints.CreateEndpoint(create("z", parent="projects/other", targets=other))
        found: list[str] = []
        token = ""
        while True:
            page = await router.endpoints.ListEndpoints(LIST(parent=PARENT, page_size=2, page_token=token))
            assert len(page.endpoints) <= 2
            found += [endpoint.name.rpartition("/")[2] for endpoint in page.endpoints]
            token = page.next_page_token
            if not token:
                break
        assert found == names
        first = await router.endpoints.ListEndpoints(LIST(parent=PARENT, page_size=2))
        bad = (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
        for listing in (
            LIST(parent=PARENT, page_token="nonsense"),
            LIST(parent="projects/other", page_token=first.next_page_token),
        ):
            assert await helpers.refused(router.endpoints.ListEndpoints(listing)) == bad
        assert not (await router.endpoints.ListEndpoints(LIST(parent="projects/empty"))).endpoints


async def test_an_update_changes_what_its_mask_names(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        made = await router.endpoints.CreateEndpoint(create(endpoint={"timeout": duration_pb2.Duration(seconds=9)}))
        wanted = endpoint_pb2.Endpoint(name=NAME, targets=targets(v1=1_000, v2=9_000), etag=made.etag)
        shown = await router.endpoints.UpdateEndpoint(update(wanted, "targets", validate_only=True))
        assert list(shown.targets) == list(wanted.targets)
        assert await router.endpoints.GetEndpoint(GET(name=NAME)) == made
        changed = await router.endpoints.UpdateEndpoint(update(wanted, "targets"))
        assert (list(changed.targets), changed.timeout.seconds) == (list(wanted.targets), 9)
        assert changed.etag != made.etag
        assert changed.create_time == made.create_time
        assert await helpers.refused(router.endpoints.UpdateEndpoint(update(wanted, "targets"))) == STALE
        # What a mask does not name need not be said, though an endpoint cannot be without it.
        reset = endpoint_pb2.Endpoint(name=NAME)
        changed = await router.endpoints.UpdateEndpoint(update(reset, "timeout"))
        assert (list(changed.targets), changed.timeout.seconds) == (list(wanted.targets), 0)
        slow = endpoint_pb2.Endpoint(name=NAME, timeout=duration_pb2.Duration(seconds=5))
        changed = await router.endpoints.UpdateEndpoint(update(slow))
        assert (list(changed.targets), changed.timeout.seconds) == (list(wanted.targets), 5)
        again = await router.endpoints.UpdateEndpoint(update(slow))
        assert (again.etag, again.update_time) == (changed.etag, changed.update_time)
        whole = endpoint_pb2.Endpoint(name=NAME, targets=targets(v3=10_000))
        changed = await router.endpoints.UpdateEndpoint(update(whole, "*"))
        assert (list(changed.targets), changed.HasField("timeout")) == (list(whole.targets), False)


async def test_an_update_that_makes_no_sense_is_refused(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        made = await router.endpoints.CreateEndpoint(create())
        for endpoint, paths, expected in (
            (endpoint_pb2.Endpoint(name=NAME), ["state"], (grpc.StatusCode.INVALID_ARGUMENT, "UPDATE_MASK_INVALID")),
            (endpoint_pb2.Endpoint(name=NAME), ["targets"], (grpc.StatusCode.INVALID_ARGUMENT, "WEIGHTS_INVALID")),
            (
                endpoint_pb2.Endpoint(name=NAME, targets=targets(v1=1)),
                [],
                (grpc.StatusCode.INVALID_ARGUMENT, "WEIGHTS_INVALID"),
            ),
            (endpoint_pb2.Endpoint(name=NAME, targets=[endpoint_pb2.Target(weight=1)]), [], OUT),
            (endpoint_pb2.Endpoint(name=f"{PARENT}/endpoints/missing"), [], MISSING),
            (endpoint_pb2.Endpoint(name="nonsense"), [], OUT),
            (endpoint_pb2.Endpoint(name=f"{NAME}\0"), [], OUT),
        ):
            for dry in (True, False):
                call = router.endpoints.UpdateEndpoint(update(endpoint, *paths, validate_only=dry))
                assert await helpers.refused(call) == expected
        assert await router.endpoints.GetEndpoint(GET(name=NAME)) == made


async def test_of_updates_that_read_the_same_state_one_wins(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        made = await router.endpoints.CreateEndpoint(create())

        wanted = [
            endpoint_pb2.Endpoint(name=NAME, targets=targets(**{f"v{n}": 10_000}), etag=made.etag) for n in range(2, 10)
        ]
        calls = [router.endpoints.UpdateEndpoint(update(endpoint)) for endpoint in wanted]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        won = [outcome for outcome in outcomes if isinstance(outcome, endpoint_pb2.Endpoint)]
        lost = [outcome.code() for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
        assert [endpoint.etag for endpoint in won] == [(await router.endpoints.GetEndpoint(GET(name=NAME))).etag]
        assert lost == [grpc.StatusCode.ABORTED] * 7


async def test_an_endpoint_that_is_deleted_is_gone_and_may_be_made_again(start_router: Any, helpers: Any) -> None:
    async with start_router() as router:
        made = await router.endpoints.CreateEndpoint(create())
        assert await helpers.refused(router.endpoints.DeleteEndpoint(DELETE(name=NAME, etag='"0"'))) == STALE
        await router.endpoints.DeleteEndpoint(DELETE(name=NAME, etag=made.etag, validate_only=True))
        assert (await router.endpoints.GetEndpoint(GET(name=NAME))).etag == made.etag
        await router.endpoints.DeleteEndpoint(DELETE(name=NAME, etag=made.etag))
        for call in (router.endpoints.DeleteEndpoint(DELETE(name=NAME)), router.endpoints.GetEndpoint(GET(name=NAME))):
            assert await helpers.refused(call) == MISSING
        again = await router.endpoints.CreateEndpoint(create())
        assert again.etag != made.etag


async def test_who_may_only_read_may_only_read(start_router: Any, helpers: Any) -> None:
    async with start_router(role="viewer") as router:
        assert not (await router.endpoints.ListEndpoints(LIST(parent=PARENT))).endpoints
        call = router.endpoints.CreateEndpoint(create())
        assert await helpers.refused(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
