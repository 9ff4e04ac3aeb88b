"""Whatever changes, whenever messages arrive: an Envoy ends with what is published and never lacks a cluster."""

from __future__ import annotations

from collections import deque
from typing import Any

from google.protobuf import duration_pb2
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from kea_core.testing.tokens import jwks_of
from kea_router.publication import World
from kea_router.xds.publisher import PublicationMetrics, Publisher
from kea_router.xds.resource import CLUSTER, ROUTES, Key
from prometheus_client import CollectorRegistry

ENDPOINTS_THERE = ("a", "b", "c")
DEPLOYMENTS_THERE = ("v1", "v2", "v3")
TARGETS = st.lists(st.sampled_from(DEPLOYMENTS_THERE), min_size=1, unique=True)
STEPS = st.one_of(
    st.tuples(st.just("endpoint"), st.sampled_from(ENDPOINTS_THERE), TARGETS, st.booleans()),
    st.tuples(st.just("no endpoint"), st.sampled_from(ENDPOINTS_THERE)),
    st.tuples(st.just("deployment"), st.sampled_from(DEPLOYMENTS_THERE), st.integers(1, 2), st.integers(0, 2)),
    st.tuples(st.just("no deployment"), st.sampled_from(DEPLOYMENTS_THERE)),
    st.tuples(st.just("messages"), st.lists(st.booleans(), max_size=6)),
    st.just(("reconnect",)),
    st.just(("restart",)),
)
SICK_SECONDS = 1313.0
SICK = duration_pb2.Duration(seconds=1313).SerializeToString()
"""An endpoint whose routes have this time-out is refused."""


class Plane:
    """A router and an Envoy with a network between them on which messages take their time."""

    def __init__(self, helpers: Any, *, sick_cluster: str = "") -> None:
        self._helpers = helpers
        self.endpoints: dict[str, Any] = {}
        self.deployments: dict[str, Any] = {}
        self.envoy = helpers.FakeEnvoy(
            refuses=lambda kind, name, body: (kind == ROUTES and SICK in body) or name == sick_cluster
        )
        self.start()

    def start(self) -> None:
        """Starts a router that knows what is wanted and nothing of what was before."""
        self.publisher = Publisher(PublicationMetrics(CollectorRegistry()))
        self.world = World(self.publisher, self._helpers.BACKENDS, lambda _endpoint: None)
        self.connect()
        self.world.set_keys(jwks_of())
        self.world.set_policy(self._helpers.POLICY)
        self.world.set_project_limits(())
        for name, endpoint in self.endpoints.items():
            self.world.set_endpoint(name, endpoint)
        for name, deployment in self.deployments.items():
            self.world.set_deployment(name, deployment)
        assert self.world.publish()

    def connect(self) -> None:
        for stream in list(self.publisher.streams):
            self.publisher.disconnect(stream)
        self.stream = self.publisher.connect()
        self.to_router: deque[Message] = deque(self.envoy.hello())
        self.to_envoy: deque[Message] = deque()

    def deliver(self, *, to_router: bool) -> bool:
        """Delivers one message in a direction, and lets the router send what is due."""
        delivered = False
        if to_router and self.to_router:
            request: Any = self.to_router.popleft()
            self.publisher.received(self.stream, request)
            delivered = True
        elif not to_router and self.to_envoy:
            self.to_router.extend(self.envoy.take(self.to_envoy.popleft()))
            delivered = True
        self.to_envoy.extend(self.publisher.responses(self.stream))
        return delivered

    def settle(self) -> None:
        for _ in range(2000):
            if not (self.deliver(to_router=True) or self.deliver(to_router=False)):
                return
        problem = "the exchange does not end"
        raise AssertionError(problem)

    def run(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("endpoint", name, targets, sick):
                weights = dict.fromkeys(targets, 10_000 // len(targets))
                timeout = SICK_SECONDS if sick else 0.0
                endpoint = self._helpers.make_endpoint(name, timeout_seconds=timeout, **weights)
                self.endpoints[endpoint.name] = endpoint
                self.world.set_endpoint(endpoint.name, endpoint)
            case ("no endpoint", name):
                name = self._helpers.endpoint_name(name)
                self.endpoints.pop(name, None)
                self.world.set_endpoint(name, None)
            case ("deployment", name, version, replicas):
                deployment = self._helpers.make_deployment(name, version=version, replicas=replicas)
                self.deployments[deployment.name] = deployment
                self.world.set_deployment(deployment.name, deployment)
            case ("no deployment", name):
                name = self._helpers.deployment_name(name)
                self.deployments.pop(name, None)
                self.world.set_deployment(name, None)
            case ("messages", directions):
                for to_router in directions:
                    self.deliver(to_router=to_router)
            case ("reconnect",):
                self.connect()
            case _:
                self.start()
        assert self.world.publish()
        self.to_envoy.extend(self.publisher.responses(self.stream))

    def published(self) -> dict[str, dict[str, str]]:
        resources = self.publisher.snapshot.resources
        return {kind: {name: r.version for name, r in named.items()} for kind, named in resources.items()}

    def held(self) -> dict[str, dict[str, str]]:
        return {
            kind: {name: version for name, (version, _) in named.items()} for kind, named in self.envoy.held.items()
        }


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_an_envoy_ends_with_what_is_published_save_what_it_refuses(helpers: Any, steps: list[tuple[Any, ...]]) -> None:
    plane = Plane(helpers)
    for step in steps:
        plane.run(step)
    plane.settle()
    published, held = plane.published(), plane.held()
    sick = {name for name, endpoint in plane.endpoints.items() if endpoint.timeout_seconds == SICK_SECONDS}
    assert {n: v for n, v in held[ROUTES].items() if n not in sick} == {
        n: v for n, v in published[ROUTES].items() if n not in sick
    }
    # Clusters that the last good routes of the sick lead to are still there, and no others.
    assert published[CLUSTER].items() <= held[CLUSTER].items()
    if not sick:
        assert held == published
        assert plane.publisher.synced(plane.stream)
    for name in sick:
        assert plane.publisher.refusal([Key(ROUTES, name)])


@settings(max_examples=50, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_a_cluster_that_is_refused_keeps_only_the_routes_to_it_away(helpers: Any, steps: list[tuple[Any, ...]]) -> None:
    sick = helpers.deployment_name("v3")
    plane = Plane(helpers, sick_cluster=f"{sick}/http")
    for step in steps:
        plane.run(step)
    plane.settle()
    published, held = plane.published(), plane.held()
    for name, endpoint in plane.endpoints.items():
        targets = {target.deployment for target in endpoint.targets}
        if endpoint.timeout_seconds != SICK_SECONDS and sick not in targets:
            assert held[ROUTES][name] == published[ROUTES][name]
