from __future__ import annotations

import logging
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.rpc import status_pb2
from kea_router.xds.publisher import PublicationMetrics, Publisher
from kea_router.xds.resource import CLUSTER, ROUTES, SCOPE, Key, Resource, make_resource
from kea_router.xds.snapshot import Delta, InconsistentError
from kea_router.xds.stream import Stream
from prometheus_client import CollectorRegistry

Request = discovery_pb2.DeltaDiscoveryRequest


def cluster(name: str, text: str = "") -> Resource:
    return make_resource(name, cluster_pb2.Cluster(name=name, alt_stat_name=text))


class Plane:
    """A publisher with a clock that stands still until told, and Envoys that take clusters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.time = 100.0
        self.publisher = Publisher(
            PublicationMetrics(self.registry), monotonic=lambda: self.time, now=lambda: self.time
        )

    def publish(self, *resources: Resource, removed: tuple[Key, ...] = ()) -> None:
        self.publisher.publish(Delta(resources, removed))

    def connect(self, **first: Any) -> Stream:
        stream = self.publisher.connect()
        self.publisher.received(stream, Request(type_url=CLUSTER, **first))
        self.publisher.received(stream, Request(type_url=SCOPE))
        return stream

    def nonces(self, stream: Stream) -> list[str]:
        return [response.nonce for response in self.publisher.responses(stream)]

    def answer(self, stream: Stream, *, refuse: str = "") -> None:
        """Answers all there is to answer."""
        for nonce in self.nonces(stream):
            problem = status_pb2.Status(code=3, message=refuse) if refuse else None
            self.publisher.received(stream, Request(type_url=CLUSTER, response_nonce=nonce, error_detail=problem))

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def test_before_the_first_publication_nothing_is_taken_for_gone() -> None:
    plane = Plane()
    stream = plane.connect(initial_resource_versions={"a": cluster("a").version, "old": "1"})
    assert not plane.nonces(stream)
    assert not plane.publisher.synced(stream)
    stream.woken.clear()
    plane.publish(cluster("a"))
    assert stream.woken.is_set()
    (response,) = plane.publisher.responses(stream)
    assert (list(response.resources), list(response.removed_resources)) == ([], ["old"])


def test_an_inconsistent_change_is_not_published() -> None:
    plane = Plane()
    plane.publish(cluster("a"))
    before = plane.publisher.snapshot
    reference = frozenset({Key(CLUSTER, "missing")})
    with pytest.raises(InconsistentError):
        plane.publish(make_resource("r", route_pb2.RouteConfiguration(name="r"), reference))
    assert plane.publisher.snapshot is before


def test_a_publication_is_acknowledged_when_every_envoy_has_it() -> None:
    plane = Plane()
    keys = [Key(CLUSTER, "a")]
    plane.publish(cluster("a"))
    assert not plane.publisher.acknowledged(keys)
    one, other = plane.connect(), plane.connect()
    plane.answer(one)
    assert not plane.publisher.acknowledged(keys)
    plane.answer(other)
    assert plane.publisher.acknowledged(keys)
    assert not plane.publisher.acknowledged([Key(CLUSTER, "missing")])
    plane.publish(cluster("a", "changed"))
    assert not plane.publisher.acknowledged(keys)
    plane.answer(one)
    plane.publisher.disconnect(other)
    assert plane.publisher.acknowledged(keys)


def test_a_refusal_is_logged_counted_and_shown_for_what_is_refused_alone(caplog: pytest.LogCaptureFixture) -> None:
    plane = Plane()
    plane.publish(cluster("good"), cluster("bad"))
    stream = plane.connect()
    plane.answer(stream)
    plane.publish(cluster("bad", "changed"))
    plane.time = 123.0
    with caplog.at_level(logging.INFO):
        plane.answer(stream, refuse="no good")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert vars(record) | {"resources": ("bad",), "problem": "no good", "type": CLUSTER} == vars(record)
    assert plane.count("kea_xds_refusals_total", type="Cluster") == 1
    assert plane.publisher.refusal_count == 1
    assert stream.refuse_times == {CLUSTER: 123.0}
    assert plane.publisher.refusal([Key(CLUSTER, "bad")]) == "no good"
    assert plane.publisher.refusal([Key(CLUSTER, "good")]) == ""
    assert not plane.publisher.synced(stream)
    # What others take does not hide it.
    plane.publish(cluster("good", "changed"))
    plane.answer(stream)
    assert plane.publisher.refusal([Key(CLUSTER, "bad")]) == "no good"
    plane.publish(cluster("bad", "mended"))
    assert plane.publisher.refusal([Key(CLUSTER, "bad")]) == ""
    plane.answer(stream)
    assert plane.publisher.synced(stream)


def test_a_refused_response_of_many_is_a_warning_until_the_one_at_fault_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plane = Plane()
    plane.publish(*(cluster(f"c{number}") for number in range(30)))
    stream = plane.connect()
    plane.answer(stream, refuse="no good")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert len(vars(record)["resources"]) == 10
    assert vars(record)["resource_count"] == 30
    assert plane.publisher.refusal([Key(CLUSTER, f"c{number}") for number in range(30)]) == ""


def test_an_envoy_is_synced_when_it_has_all_and_nothing_else() -> None:
    plane = Plane()
    stream = plane.publisher.connect()
    plane.publish(cluster("a"))
    assert not plane.publisher.synced(stream)
    for type_url in (CLUSTER, SCOPE):
        plane.publisher.received(stream, Request(type_url=type_url))
    plane.answer(stream)
    assert plane.publisher.synced(stream)
    plane.publish(removed=(Key(CLUSTER, "a"),))
    assert not plane.publisher.synced(stream)
    plane.answer(stream)
    assert plane.publisher.synced(stream)


def test_prometheus_is_told_how_many_envoys_there_are_and_how_many_of_them_are_synced() -> None:
    plane = Plane()

    def told() -> tuple[float, float]:
        return plane.count("kea_xds_envoys"), plane.count("kea_xds_envoys_synced")

    assert told() == (0, 0)
    one, other = plane.connect(), plane.connect()
    assert told() == (2, 0)
    plane.publish(cluster("a"))
    plane.answer(one)
    assert told() == (2, 1)
    plane.answer(other)
    assert told() == (2, 2)
    plane.publish(cluster("a", "changed"))
    plane.answer(one, refuse="no good")
    plane.answer(other)
    assert told() == (2, 1)
    plane.publisher.disconnect(one)
    assert told() == (1, 1)


def test_every_type_is_counted_from_0_so_that_a_first_refusal_is_an_increase() -> None:
    plane = Plane()
    types = {"Cluster", "ClusterLoadAssignment", "RouteConfiguration", "ScopedRouteConfiguration"}
    for name in types | {"TypedExtensionConfig"}:
        assert plane.registry.get_sample_value("kea_xds_refusals_total", {"type": name}) == 0


def test_the_time_to_acknowledge_is_that_of_the_slowest_envoy() -> None:
    plane = Plane()
    one, other = plane.connect(), plane.connect()
    plane.publish(cluster("a"))
    plane.time += 1
    plane.answer(one)
    assert plane.publisher.median_acknowledge_seconds == 0
    plane.time += 1
    plane.answer(other)
    assert plane.publisher.median_acknowledge_seconds == 2
    assert plane.count("kea_xds_acknowledge_seconds_sum") == 2


def test_an_envoy_that_comes_later_or_leaves_is_not_waited_for() -> None:
    plane = Plane()
    one, leaving = plane.connect(), plane.connect()
    plane.publish(cluster("a"))
    plane.connect()
    plane.time += 1
    plane.publisher.disconnect(leaving)
    plane.answer(one)
    assert plane.publisher.median_acknowledge_seconds == 1


def test_a_refused_or_overtaken_publication_does_not_hold_up_the_times_of_others() -> None:
    plane = Plane()
    stream = plane.connect()
    plane.publish(cluster("bad"))
    plane.time += 5
    plane.answer(stream, refuse="no good")
    plane.publish(cluster("a"))
    (nonce,) = plane.nonces(stream)
    plane.time += 1
    plane.publish(cluster("a", "second"))
    plane.publisher.received(stream, Request(type_url=CLUSTER, response_nonce=nonce))
    plane.time += 1
    plane.answer(stream)
    assert plane.count("kea_xds_acknowledge_seconds_count") == 1
    assert plane.publisher.median_acknowledge_seconds == 1


def test_a_start_is_not_timed_and_what_waits_is_bounded() -> None:
    plane = Plane()
    stream = plane.connect()
    plane.publish(*(cluster(f"c{number}") for number in range(65)))
    plane.answer(stream)
    assert plane.count("kea_xds_acknowledge_seconds_count") == 0
    for number in range(1000):
        plane.publish(cluster("a", str(number)))
        plane.publish(cluster(f"b{number}"))
    plane.answer(stream)
    assert 100 < plane.count("kea_xds_acknowledge_seconds_count") <= 256


def test_routes_are_counted_as_routes() -> None:
    plane = Plane()
    plane.publish(make_resource("r", route_pb2.RouteConfiguration(name="r")))
    stream = plane.publisher.connect()
    plane.publisher.received(stream, Request(type_url=ROUTES, resource_names_subscribe=["r"]))
    (response,) = plane.publisher.responses(stream)
    problem = status_pb2.Status(code=3, message="x")
    plane.publisher.received(stream, Request(type_url=ROUTES, response_nonce=response.nonce, error_detail=problem))
    assert plane.count("kea_xds_refusals_total", type="RouteConfiguration") == 1
