from __future__ import annotations

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_pb2
from kea_router.xds.resource import CLUSTER, ENDPOINTS, ROUTES, Key, Resource, make_resource
from kea_router.xds.snapshot import Delta, InconsistentError, Snapshot


def cluster(name: str, text: str = "") -> Resource:
    message = cluster_pb2.Cluster(name=name, alt_stat_name=text)
    return make_resource(name, message, frozenset({Key(ENDPOINTS, name)}))


def members(name: str) -> Resource:
    return make_resource(name, endpoint_pb2.ClusterLoadAssignment(cluster_name=name))


def routes(name: str, *clusters: str) -> Resource:
    references = frozenset(Key(CLUSTER, name) for name in clusters)
    return make_resource(name, route_pb2.RouteConfiguration(name=name), references)


WHOLE = (cluster("a"), members("a"), routes("r", "a"))


def test_a_version_is_the_contents_hash() -> None:
    assert cluster("a").version == cluster("a").version
    assert cluster("a").version != cluster("a", "changed").version
    assert cluster("a").body.type_url == CLUSTER


def test_a_change_makes_a_new_snapshot_and_leaves_the_old_one() -> None:
    before = Snapshot().apply(Delta(WHOLE))
    after = before.apply(Delta((cluster("a", "changed"),)))
    assert before.get(Key(CLUSTER, "a")) == WHOLE[0]
    assert after.get(Key(CLUSTER, "a")) == cluster("a", "changed")
    assert after.of_type(ROUTES) is before.of_type(ROUTES)


def test_what_a_change_brings_and_removes_is_what_is_there() -> None:
    snapshot = Snapshot().apply(Delta(WHOLE)).apply(Delta(removed=(Key(ROUTES, "r"), Key(ROUTES, "never there"))))
    assert not snapshot.of_type(ROUTES)
    assert set(snapshot.of_type(CLUSTER)) == {"a"}


@pytest.mark.parametrize(
    ("delta", "missing"),
    [
        (Delta((routes("r2", "b"),)), Key(CLUSTER, "b")),
        (Delta((cluster("b"),)), Key(ENDPOINTS, "b")),
        (Delta(removed=(Key(CLUSTER, "a"),)), Key(CLUSTER, "a")),
        (Delta((routes("r2", "a"),), (Key(ROUTES, "r"), Key(CLUSTER, "a"))), Key(CLUSTER, "a")),
    ],
)
def test_a_reference_to_what_is_not_there_is_refused(delta: Delta, missing: Key) -> None:
    snapshot = Snapshot().apply(Delta(WHOLE))
    with pytest.raises(InconsistentError) as caught:
        snapshot.apply(delta)
    assert caught.value.missing == missing


def test_what_is_replaced_and_removed_in_one_change_is_whole() -> None:
    snapshot = Snapshot().apply(Delta(WHOLE))
    moved = Delta((cluster("b"), members("b"), routes("r", "b")), (Key(CLUSTER, "a"), Key(ENDPOINTS, "a")))
    assert set(snapshot.apply(moved).of_type(CLUSTER)) == {"b"}


def test_what_changes_nothing_is_left_out() -> None:
    snapshot = Snapshot().apply(Delta(WHOLE))
    changed = cluster("a", "changed")
    delta = Delta((members("a"), changed), (Key(ROUTES, "r"), Key(ROUTES, "never there")))
    assert snapshot.without_equals(delta) == Delta((changed,), (Key(ROUTES, "r"),))
    assert not snapshot.without_equals(Delta(WHOLE))
