"""What is published when the policy changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kea_core.permission import INVOKE
from kea_core.policy import PLATFORM, Binding, Policy
from kea_core.testing.tokens import jwks_of
from kea_router import publication
from kea_router.domain.invokers import EndpointInvokers
from kea_router.publication import World
from kea_router.renewal import with_invokers
from kea_router.xds.publisher import PublicationMetrics, Publisher
from kea_router.xds.resource import ROUTES, Key, Resource
from kea_router.xds.snapshot import Delta
from prometheus_client import CollectorRegistry

SHORT_NAMES = ("a", "aa", "b", "c")


class Plane(Publisher):
    """A world and what it publishes."""

    def __init__(self, helpers: Any) -> None:
        super().__init__(PublicationMetrics(CollectorRegistry()))
        self._helpers = helpers
        self.parts: list[list[str]] = []
        """Short names of the endpoints that each publication held."""
        self.told: list[str] = []
        """Endpoints of which what they serve was said to have changed."""
        self.world = World(self, helpers.BACKENDS, self.told.append)
        self._envoy = helpers.FakeEnvoy()
        self._stream = self.connect()
        for request in self._envoy.hello():
            self.received(self._stream, request)

    def begin(self, policy: Policy, *short_names: str) -> None:
        """Publishes endpoints."""
        for short in short_names:
            self.set(short)
        self.world.set_keys(jwks_of())
        self.world.set_policy(policy)
        self.world.set_project_limits(())
        self.world.endpoints_told()
        self.world.deployments_told()
        self.world.publish()

    def set(self, short: str, *, gone: bool = False) -> None:
        endpoint = self._helpers.make_endpoint(short)
        self.world.set_endpoint(endpoint.name, None if gone else endpoint)

    def publish(self, delta: Delta) -> None:
        super().publish(delta)
        routes = [resource.key.name for resource in delta.upserted if resource.key.type_url == ROUTES]
        self.parts.append([name.rpartition("/")[2] for name in routes if name.startswith("projects/")])

    def finish(self) -> None:
        """Publishes until nothing is left."""
        while self.world.publish() and self.parts[-1]:
            pass

    def versions(self) -> dict[Key, str]:
        return {r.key: r.version for of_type in self.snapshot.resources.values() for r in of_type.values()}

    def reconciling(self) -> list[str]:
        """Short names of the endpoints that an Envoy that takes everything at once does not have as they are to be."""
        while responses := list(self.responses(self._stream)):
            for request in [request for response in responses for request in self._envoy.take(response)]:
                self.received(self._stream, request)
        endpoints = {short: self._helpers.make_endpoint(short) for short in SHORT_NAMES}
        return [short for short, endpoint in endpoints.items() if self.world.status(endpoint).reconciling]


def allowing(*resources: str, member: str = "users/ada", role: str = "consumer") -> Policy:
    return Policy(bindings={f"bindings/{on}": Binding(member, role, on) for on in resources})


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "PART_SECONDS", 0.0)


PLACES = (
    *(PLATFORM, "projects/default", "projects/other", "projects/default/models/a"),
    *(f"projects/default/endpoints/{short}" for short in SHORT_NAMES),
    *(f"projects/default/endpoints/{short}/methods/m" for short in SHORT_NAMES),
)
BINDINGS = st.builds(
    Binding,
    st.sampled_from(["users/ada", "groups/x"]),
    st.sampled_from(["viewer", "consumer", "engineer", "custom"]),
    st.sampled_from(PLACES),
)
POLICIES = st.builds(
    Policy,
    st.just({}) | st.just({"custom": (INVOKE,)}) | st.just({"custom": ("router.endpoints.get",)}),
    st.dictionaries(st.sampled_from(["bindings/1", "bindings/2", "bindings/3", "bindings/4"]), BINDINGS),
)
PUBLICATION = None
STEPS = st.lists(st.just(PUBLICATION) | POLICIES | st.tuples(st.sampled_from(SHORT_NAMES), st.booleans()), max_size=12)


@settings(max_examples=150)
@given(POLICIES, STEPS)
def test_what_is_published_in_parts_is_what_would_be_from_scratch(
    helpers: Any, first: Policy, steps: list[Policy | tuple[str, bool] | None]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "PART_SECONDS", 0.0)
        plane, known, policy = Plane(helpers), set[str](SHORT_NAMES[:2]), first
        plane.begin(policy, *known)
        for step in steps:
            match step:
                case Policy():
                    policy = step
                    plane.world.set_policy(policy)
                case (short, gone):
                    plane.set(short, gone=gone)
                    (known.discard if gone else known.add)(short)
                case _:
                    plane.world.publish()
        plane.finish()
    scratch = Plane(helpers)
    scratch.begin(policy, *known)
    assert plane.versions() == scratch.versions()


@pytest.mark.parametrize(
    ("resource", "concerned"),
    [
        (PLATFORM, {"a", "aa", "b"}),
        ("projects/default", {"a", "aa", "b"}),
        ("projects/other", set[str]()),
        ("projects/default/models/a", set[str]()),
        ("projects/default/endpoints/a", {"a"}),
        ("projects/default/endpoints/a/methods/m", {"a"}),
    ],
)
def test_only_endpoints_that_a_change_concerns_get_another_policy_and_none_is_translated(
    helpers: Any, monkeypatch: pytest.MonkeyPatch, resource: str, concerned: set[str]
) -> None:
    renewed: list[str] = []

    def count(published: Resource, invokers: EndpointInvokers) -> Resource:
        renewed.append(published.key.name.rpartition("/")[2])
        return with_invokers(published, invokers)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError

    plane = Plane(helpers)
    plane.begin(allowing(), "a", "aa", "b")
    monkeypatch.setattr(publication, "with_invokers", count)
    monkeypatch.setattr(publication, "endpoint_resources", refuse)
    for policy in (allowing(resource), allowing()):
        renewed.clear()
        plane.told.clear()
        plane.world.set_policy(policy)
        plane.finish()
        assert sorted(renewed) == sorted(concerned)
        assert plane.told == []  # they serve what they did


@pytest.mark.usefixtures("one_by_one")
def test_a_change_that_concerns_many_goes_out_in_parts_each_endpoint_whole(helpers: Any) -> None:
    plane, scratch = Plane(helpers), Plane(helpers)
    plane.begin(allowing(), *SHORT_NAMES)
    assert plane.reconciling() == []
    before, policy = plane.versions(), allowing(PLATFORM)
    scratch.begin(policy, *SHORT_NAMES)
    after = scratch.versions()
    plane.parts.clear()
    plane.world.set_policy(policy)
    for number, short in enumerate(SHORT_NAMES, start=1):
        plane.world.publish()
        assert plane.parts[-1] == [short]
        assert plane.reconciling() == list(SHORT_NAMES[number:])
        now = plane.versions()
        done = {Key(ROUTES, helpers.endpoint_name(each)) for each in SHORT_NAMES[:number]}
        assert now == before | {key: after[key] for key in done}
    assert plane.versions() == after


@pytest.mark.usefixtures("one_by_one")
def test_what_has_waited_longest_goes_out_first_and_by_the_newest_policy(helpers: Any) -> None:
    plane = Plane(helpers)
    plane.begin(allowing(), *SHORT_NAMES)
    plane.parts.clear()
    plane.world.set_policy(allowing(PLATFORM))
    plane.world.publish()
    newest = allowing(PLATFORM, helpers.endpoint_name("a"), helpers.endpoint_name("c"), member="users/bob")
    plane.world.set_policy(newest)
    plane.finish()
    assert plane.parts == [["a"], ["aa"], ["b"], ["c"], ["a"], []]
    scratch = Plane(helpers)
    scratch.begin(newest, *SHORT_NAMES)
    assert plane.versions() == scratch.versions()


@pytest.mark.usefixtures("one_by_one")
def test_an_endpoint_that_has_changed_itself_waits_for_no_part(helpers: Any) -> None:
    plane = Plane(helpers)
    plane.begin(allowing(), *SHORT_NAMES)
    plane.parts.clear()
    plane.world.set_policy(allowing(PLATFORM))
    plane.set("c")
    plane.set("b", gone=True)
    plane.finish()
    assert plane.parts == [["c", "a"], ["aa"], []]


@pytest.mark.usefixtures("one_by_one")
async def test_parts_follow_one_another_by_themselves_and_others_have_their_turns(helpers: Any) -> None:
    plane, turns = Plane(helpers), 0
    plane.begin(allowing(), *SHORT_NAMES)
    plane.parts.clear()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(plane.world.publish_forever())
        plane.world.set_policy(allowing(PLATFORM))
        async with asyncio.timeout(5):
            while len(plane.parts) < len(SHORT_NAMES):
                await asyncio.sleep(0)
                turns += 1
        task.cancel()
    assert turns >= len(SHORT_NAMES)
    assert plane.parts == [[short] for short in SHORT_NAMES]


def test_equal_results_are_not_published_again(helpers: Any) -> None:
    plane = Plane(helpers)
    plane.begin(allowing("projects/default"), "a", "b")
    before = {name: plane.snapshot.of_type(ROUTES)[name] for name in plane.snapshot.of_type(ROUTES)}
    same = [
        allowing("projects/default"),
        allowing("projects/default", helpers.endpoint_name("a")),  # who may call it by the project already
        allowing("projects/default", role="engineer"),
        Policy(bindings={**allowing("projects/default").bindings, "b": Binding("users/eve", "viewer")}),
    ]
    for policy in same:
        plane.world.set_policy(policy)
        plane.finish()
        assert all(plane.snapshot.of_type(ROUTES)[name] is resource for name, resource in before.items())
