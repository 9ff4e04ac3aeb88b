from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from google.protobuf import duration_pb2, json_format
from kea_core.testing.tokens import jwks_of
from kea_router import publication
from kea_router.domain.endpoint_status import EndpointState
from kea_router.domain.limits import Limits, ProjectLimits, RateLimit
from kea_router.publication import World
from kea_router.translate import endpoint_routes, names
from kea_router.translate.packing import packed
from kea_router.xds.publisher import PublicationMetrics, Publisher
from kea_router.xds.resource import CLUSTER, ENDPOINTS, EXTENSION, ROUTES, SCOPE, Key
from kea_router.xds.snapshot import Delta
from prometheus_client import CollectorRegistry


class Recorder(Publisher):
    """Notes each publication."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        super().__init__(PublicationMetrics(self.registry))
        self.deltas: list[Delta] = []
        self._published = asyncio.Event()

    def publish(self, delta: Delta) -> None:
        super().publish(delta)
        self.deltas.append(delta)
        self._published.set()

    async def next(self) -> Delta:
        async with asyncio.timeout(5):
            await self._published.wait()
        self._published.clear()
        return self.deltas[-1]


SEVEN_SECONDS = duration_pb2.Duration(seconds=7).SerializeToString()


def upserted(delta: Delta) -> set[Key]:
    return {resource.key for resource in delta.upserted}


class Plane:
    """A world, what it publishes, and an Envoy that takes everything at once."""

    def __init__(self, helpers: Any, *, sharing: bool = False) -> None:
        self.publisher = Recorder()
        self._policy = helpers.POLICY
        self.told: list[str] = []
        """Endpoints of which something was said to have changed."""
        self.world = World(self.publisher, helpers.BACKENDS, self.told.append, sharing=sharing)
        self.envoy = helpers.FakeEnvoy()
        self._stream = self.publisher.connect()
        self._requests = self.envoy.hello()

    def exchange(self) -> None:
        while True:
            for request in self._requests:
                self.publisher.received(self._stream, request)
            responses = list(self.publisher.responses(self._stream))
            self._requests = [request for response in responses for request in self.envoy.take(response)]
            if not responses:
                return

    def begin(self) -> None:
        """Knows everything that a first publication waits for."""
        self.world.set_keys(jwks_of())
        self.world.set_policy(self._policy)
        self.world.set_project_limits(())
        self.world.endpoints_told()
        self.world.deployments_told()


@asynccontextmanager
async def publishing(plane: Plane) -> AsyncGenerator[None, None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(plane.world.publish_forever())
        yield
        task.cancel()


@pytest.fixture
async def plane(helpers: Any) -> Plane:
    return Plane(helpers)


@pytest.mark.parametrize("missing", ["keys", "policy", "limits", "endpoints", "deployments"])
async def test_the_first_publication_waits_until_it_is_whole(plane: Plane, helpers: Any, missing: str) -> None:
    last = {
        "keys": lambda: plane.world.set_keys(jwks_of()),
        "policy": lambda: plane.world.set_policy(helpers.POLICY),
        "limits": lambda: plane.world.set_project_limits(()),
        "endpoints": plane.world.endpoints_told,
        "deployments": plane.world.deployments_told,
    }
    endpoint = helpers.make_endpoint()
    plane.world.set_endpoint(endpoint.name, endpoint)
    for name, act in last.items():
        if name != missing:
            act()
    async with publishing(plane):
        await asyncio.sleep(0.05)  # there is no event for what does not happen
        assert not plane.publisher.deltas
        assert not plane.world.published.is_set()
        last[missing]()
        first = upserted(await plane.publisher.next())
        assert {Key(SCOPE, endpoint.name), Key(SCOPE, "management")} <= first
        assert [key for key in first if key.type_url == EXTENSION]
        assert plane.world.published.is_set()


async def test_changes_in_quick_succession_go_out_as_one(plane: Plane, helpers: Any) -> None:
    async with publishing(plane):
        plane.begin()
        await plane.publisher.next()
        for number in range(100):
            endpoint = helpers.make_endpoint(f"e{number}")
            plane.world.set_endpoint(endpoint.name, endpoint)
            if number % 10 == 0:
                await asyncio.sleep(0)
        delta = await plane.publisher.next()
        assert len(plane.publisher.deltas) == 2
        assert len([key for key in upserted(delta) if key.type_url == SCOPE]) == 100


async def test_changes_without_pause_go_out_all_the_same(
    plane: Plane, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "QUIET_SECONDS", 0.005)
    async with publishing(plane):
        plane.begin()
        await plane.publisher.next()
        loop = asyncio.get_running_loop()
        began = loop.time()
        number = 0
        while len(plane.publisher.deltas) < 3:
            number += 1
            endpoint = helpers.make_endpoint(f"e{number}")
            plane.world.set_endpoint(endpoint.name, endpoint)
            await asyncio.sleep(0)
            assert loop.time() - began < 5


async def test_all_that_may_change_what_an_endpoint_serves_is_told(plane: Plane, helpers: Any) -> None:
    iris, v1 = helpers.make_endpoint("iris"), helpers.make_deployment("v1")
    assert plane.world.serving(iris.name) is None
    plane.world.set_deployment(v1.name, v1)
    assert plane.told == []
    plane.world.set_endpoint(iris.name, iris)
    found = plane.world.serving(iris.name)
    assert found is not None
    assert (found[0], [part.deployment for part in found[1]]) == (iris, [v1.name])
    plane.world.set_deployment(v1.name, v1)
    assert plane.told == [iris.name]
    plane.world.set_deployment(v1.name, None)
    assert plane.told == [iris.name] * 2
    assert plane.world.serving(iris.name) is None
    plane.world.set_endpoint(iris.name, None)
    assert plane.told == [iris.name] * 3


async def test_only_what_has_changed_is_translated(plane: Plane, helpers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    translated: list[str] = []
    translate = endpoint_routes.endpoint_resources

    def count(endpoint: Any, *rest: Any, **more: Any) -> Any:
        translated.append(endpoint.name)
        return translate(endpoint, *rest, **more)

    monkeypatch.setattr(publication, "endpoint_resources", count)
    plane.begin()
    endpoints = [helpers.make_endpoint("a", v1=10_000), helpers.make_endpoint("b", v2=10_000)]
    for endpoint in endpoints:
        plane.world.set_endpoint(endpoint.name, endpoint)
    assert plane.world.publish()
    assert translated == [endpoint.name for endpoint in endpoints]
    translated.clear()
    one = helpers.make_deployment("v1")
    plane.world.set_deployment(one.name, one)
    plane.world.publish()
    assert translated == [endpoints[0].name]  # it has a version now
    translated.clear()
    more = helpers.make_deployment("v1", replicas=3)
    plane.world.set_deployment(more.name, more)
    plane.world.publish()
    assert translated == []
    assert plane.publisher.deltas[-1].upserted
    changed = replace(endpoints[1], revision=2, timeout_seconds=5.0)
    plane.world.set_endpoint(changed.name, changed)
    plane.world.publish()
    assert translated == [changed.name]
    plane.world.set_deployment(more.name, more)
    plane.world.publish()
    assert plane.publisher.deltas[-1] == Delta()


async def test_a_deployment_that_is_gone_leaves_its_endpoint_without_replicas(plane: Plane, helpers: Any) -> None:
    endpoint, deployment = helpers.make_endpoint(), helpers.make_deployment()
    plane.begin()
    plane.world.set_endpoint(endpoint.name, endpoint)
    plane.world.set_deployment(deployment.name, deployment)
    plane.world.publish()
    plane.exchange()
    assert plane.world.status(endpoint).state is EndpointState.ACTIVE
    plane.world.set_deployment(deployment.name, None)
    plane.world.publish()
    plane.exchange()
    status = plane.world.status(endpoint)
    assert (status.state, status.reconciling) == (EndpointState.UNAVAILABLE, False)
    assert f"{deployment.name}/http" in plane.envoy.held[CLUSTER]


async def test_an_endpoint_that_is_gone_takes_along_what_nobody_else_uses(plane: Plane, helpers: Any) -> None:
    plane.begin()
    one = helpers.make_endpoint("one", v1=5_000, v2=5_000)
    other = helpers.make_endpoint("other", v1=10_000)
    for endpoint in (one, other):
        plane.world.set_endpoint(endpoint.name, endpoint)
    plane.world.publish()
    plane.exchange()
    plane.world.set_endpoint(one.name, None)
    plane.world.publish()
    plane.exchange()
    assert set(plane.envoy.held[ROUTES]) == {"management", other.name}
    clusters = {name for name in plane.envoy.held[CLUSTER] if name.startswith("projects/")}
    assert clusters == {f"{helpers.deployment_name('v1')}/{kind}" for kind in ("http", "grpc")}


async def test_deployments_that_are_told_anew_keep_their_replicas_meanwhile(plane: Plane, helpers: Any) -> None:
    plane.begin()
    endpoint = helpers.make_endpoint("iris", v1=5_000, v2=5_000)
    plane.world.set_endpoint(endpoint.name, endpoint)
    deployments = [helpers.make_deployment("v1"), helpers.make_deployment("v2")]
    for deployment in deployments:
        plane.world.set_deployment(deployment.name, deployment)
    plane.world.publish()
    plane.exchange()
    before = dict(plane.envoy.held[ENDPOINTS])
    plane.world.doubt_deployments()
    plane.world.publish()
    plane.exchange()
    assert plane.envoy.held[ENDPOINTS] == before
    plane.world.set_deployment(deployments[0].name, deployments[0])
    plane.world.deployments_told()
    plane.world.publish()
    plane.exchange()
    changed = {name for name in before if plane.envoy.held[ENDPOINTS][name] != before[name]}
    assert changed == {f"{deployments[1].name}/{kind}" for kind in ("http", "grpc")}


async def test_a_deployment_that_makes_no_sense_when_told_anew_stays_as_it_is(plane: Plane, helpers: Any) -> None:
    deployment, endpoint = helpers.make_deployment(), helpers.make_endpoint()
    plane.world.set_deployment(deployment.name, deployment)
    plane.world.doubt_deployments()
    plane.world.keep_deployment(deployment.name)
    plane.world.deployments_told()
    assert plane.world.status(endpoint).state is EndpointState.ACTIVE
    plane.world.doubt_deployments()
    plane.world.deployments_told()
    assert plane.world.status(endpoint).state is EndpointState.UNAVAILABLE


async def test_an_endpoint_is_reconciling_until_the_envoys_have_this_very_state(plane: Plane, helpers: Any) -> None:
    plane.begin()
    endpoint = helpers.make_endpoint()
    assert plane.world.status(endpoint).reconciling  # written, but not heard of yet
    plane.world.set_endpoint(endpoint.name, endpoint)
    assert plane.world.status(endpoint).reconciling
    plane.world.publish()
    assert plane.world.status(endpoint).reconciling
    plane.exchange()
    assert not plane.world.status(endpoint).reconciling
    changed = replace(endpoint, revision=2)
    assert plane.world.status(changed).reconciling
    plane.world.set_endpoint(endpoint.name, changed)
    plane.world.publish()
    plane.exchange()
    assert not plane.world.status(changed).reconciling
    deployment = helpers.make_deployment()
    plane.world.set_deployment(deployment.name, deployment)
    assert plane.world.status(changed).reconciling


async def test_a_refused_endpoint_tells_why_and_its_last_good_routes_stay(plane: Plane, helpers: Any) -> None:
    plane.envoy.refuses = lambda kind, _name, body: kind == ROUTES and SEVEN_SECONDS in body
    plane.begin()
    good, other = helpers.make_endpoint("a"), helpers.make_endpoint("b")
    for endpoint in (good, other):
        plane.world.set_endpoint(endpoint.name, endpoint)
    plane.world.publish()
    plane.exchange()
    before = plane.envoy.held[ROUTES][good.name]
    bad = replace(good, revision=2, timeout_seconds=7.0)
    plane.world.set_endpoint(bad.name, bad)
    plane.world.publish()
    plane.exchange()
    status = plane.world.status(bad)
    published = status.conditions[1]
    assert (status.reconciling, published.type, published.holds) == (True, "Published", False)
    assert (published.reason, published.message) == ("REFUSED", f"bad: {bad.name}")
    assert plane.envoy.held[ROUTES][good.name] == before
    assert plane.world.status(other).conditions[1].reason == "ACKNOWLEDGED"


async def test_a_route_without_a_policy_is_not_published_and_what_was_stays(
    plane: Plane, helpers: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(publication, "RETRY_SECONDS", 0.02)
    async with publishing(plane):
        plane.begin()
        endpoint = helpers.make_endpoint()
        plane.world.set_endpoint(endpoint.name, endpoint)
        await plane.publisher.next()
        before = plane.publisher.snapshot
        nobody = packed(rbac_pb2.RBACPerRoute())
        with monkeypatch.context() as broken, caplog.at_level(logging.ERROR):
            broken.setattr(endpoint_routes, "invokers_policy", lambda _invokers: nobody)
            changed = replace(endpoint, revision=2, timeout_seconds=5.0)
            plane.world.set_endpoint(changed.name, changed)
            async with asyncio.timeout(5):
                while not caplog.records:  # noqa: ASYNC110 - a log line raises no event
                    await asyncio.sleep(0)
            assert plane.publisher.snapshot is before
            condition = plane.world.status(changed).conditions[1]
            assert (condition.reason, "no policy" in condition.message) == ("REFUSED", True)
            assert (plane.publisher.registry.get_sample_value("kea_xds_withheld_total") or 0) >= 1
        delta = await plane.publisher.next()  # tried again by itself
        assert Key(ROUTES, endpoint.name) in upserted(delta)


async def test_limits_of_projects_go_out_when_they_change_and_only_then(plane: Plane, helpers: Any) -> None:
    plane.begin()
    plane.world.publish()
    limits = (ProjectLimits("default", RateLimit(5)),)
    plane.world.set_project_limits(limits)
    plane.world.publish()
    of_projects = {names.PROJECT_LIMITS_FILTER, names.PROJECT_CONCURRENCY_FILTER}
    assert upserted(plane.publisher.deltas[-1]) == {Key(EXTENSION, name) for name in of_projects}
    plane.world.set_project_limits(limits)
    endpoint = helpers.make_endpoint()
    plane.world.set_endpoint(endpoint.name, endpoint)
    plane.world.publish()
    assert EXTENSION not in {key.type_url for key in upserted(plane.publisher.deltas[-1])}


def test_what_counts_requests_in_progress_is_there_for_as_long_as_someone_has_such_a_limit(helpers: Any) -> None:
    plane = Plane(helpers)
    plane.begin()

    def counts(name: str) -> bool:
        assert plane.world.publish()
        sent = plane.publisher.snapshot.get(Key(EXTENSION, name))
        assert sent is not None
        kind = json_format.MessageToDict(sent.body)["typedConfig"]["@type"].rpartition(".")[2]
        assert kind in {"RBAC", "ExtensionWithMatcher"}
        return kind == "ExtensionWithMatcher"

    def limit(name: str, limits: Limits) -> None:
        endpoint = replace(helpers.make_endpoint(name), limits=limits)
        plane.world.set_endpoint(endpoint.name, endpoint)

    limit("a", Limits(total=RateLimit(5)))
    assert not counts(names.CONCURRENCY_FILTER)
    limit("a", Limits(max_concurrent_requests=1))
    limit("b", Limits(max_concurrent_requests_per_consumer=1))
    assert counts(names.CONCURRENCY_FILTER)
    limit("a", Limits())
    assert counts(names.CONCURRENCY_FILTER)
    assert Key(EXTENSION, names.CONCURRENCY_FILTER) not in upserted(plane.publisher.deltas[-1])
    plane.world.set_endpoint(helpers.endpoint_name("b"), None)
    assert not counts(names.CONCURRENCY_FILTER)
    for most, expected in ((0, False), (5, True)):
        plane.world.set_project_limits((ProjectLimits("default", RateLimit(5), most),))
        assert counts(names.PROJECT_CONCURRENCY_FILTER) is expected
        assert not counts(names.CONCURRENCY_FILTER)


async def test_nothing_is_published_before_it_is_known_how_many_gateways_share_limits(helpers: Any) -> None:
    plane = Plane(helpers, sharing=True)
    plane.begin()
    async with publishing(plane):
        await asyncio.sleep(0.05)  # there is no event for what does not happen
        assert not plane.publisher.deltas
        plane.world.set_gateways(2)
        assert Key(SCOPE, "management") in upserted(await plane.publisher.next())


def test_while_it_is_not_known_how_many_gateways_there_are_limits_are_published_and_not_shared(helpers: Any) -> None:
    plane, alone = Plane(helpers, sharing=True), Plane(helpers)
    given = {
        "free": Limits(),
        "limited": Limits(total=RateLimit(1_000_000)),
        "busy": Limits(max_concurrent_requests=3),
    }
    for each in (plane, alone):
        each.begin()
        each.world.set_project_limits((ProjectLimits("default", RateLimit(5)),))
        for name, limits in given.items():
            endpoint = replace(helpers.make_endpoint(name), limits=limits)
            each.world.set_endpoint(endpoint.name, endpoint)
    plane.world.set_gateways(None)
    assert plane.world.publish()
    assert alone.world.publish()
    assert plane.publisher.snapshot == alone.publisher.snapshot
    shared = {Key(ROUTES, helpers.endpoint_name("limited")), Key(EXTENSION, names.PROJECT_LIMITS_FILTER)}
    for count in (2, None):
        plane.world.set_gateways(count)
        assert plane.world.publish()
        same = names.PROJECT_CONCURRENCY_FILTER
        delta = plane.publisher.deltas[-1]
        found = [each for each in delta.upserted if each.key.type_url != SCOPE and each.key.name != same]
        assert {resource.key for resource in found} == shared
        assert {resource.alone is None for resource in found} == {count is None}
    assert plane.publisher.snapshot == alone.publisher.snapshot


def test_another_number_of_gateways_concerns_what_has_a_smaller_burst(helpers: Any) -> None:
    plane = Plane(helpers, sharing=True)
    plane.begin()
    plane.world.set_gateways(2)
    limits = {
        "free": Limits(),
        "few": Limits(per_consumer=RateLimit(1, 60)),
        "some": Limits(total=RateLimit(100, burst=4)),
        "many": Limits(total=RateLimit(100)),
    }
    for name, given in limits.items():
        endpoint = replace(helpers.make_endpoint(name), limits=given)
        plane.world.set_endpoint(endpoint.name, endpoint)
    assert plane.world.publish()
    plane.told.clear()
    expected = {3: {"few"}, 4: {"few", "some"}, 5: {"few", "some"}, 2: {"few", "some"}}
    for count, concerned in expected.items():
        plane.world.set_gateways(count)
        assert plane.world.publish()
        found = {key.name for key in upserted(plane.publisher.deltas[-1]) if key.type_url == ROUTES}
        assert found == {f"projects/default/endpoints/{name}" for name in concerned}
    plane.world.set_gateways(2)
    assert plane.world.publish()
    assert not plane.publisher.deltas[-1]
    assert plane.told == []  # of what is served nothing has changed


def test_another_number_of_gateways_concerns_projects_with_a_smaller_burst(helpers: Any) -> None:
    plane = Plane(helpers, sharing=True)
    plane.begin()
    plane.world.set_project_limits((ProjectLimits("a", RateLimit(4)),))
    plane.world.set_gateways(0)  # none is ready yet
    assert plane.world.publish()
    key = Key(EXTENSION, names.PROJECT_LIMITS_FILTER)
    before = plane.publisher.snapshot.get(key)
    for count, changes in ((1, False), (3, False), (4, True), (1, True)):
        plane.world.set_gateways(count)
        assert plane.world.publish()
        after = plane.publisher.snapshot.get(key)
        assert (after != before) is changes
        before = after
