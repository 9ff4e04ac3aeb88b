"""What of one type may be sent depends on what the peer holds of others: make before break."""

from __future__ import annotations

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.rpc import status_pb2
from kea_router.xds.resource import CLUSTER, ENDPOINTS, PUSH_ORDER, ROUTES, SCOPE, Key, Resource, make_resource
from kea_router.xds.snapshot import Delta, Snapshot
from kea_router.xds.stream import Stream

Request = discovery_pb2.DeltaDiscoveryRequest


def cluster(name: str) -> tuple[Resource, Resource]:
    members = make_resource(name, endpoint_pb2.ClusterLoadAssignment(cluster_name=name))
    return make_resource(name, cluster_pb2.Cluster(name=name), frozenset({members.key})), members


def routes(name: str, *clusters: str, text: str = "") -> Resource:
    message = route_pb2.RouteConfiguration(name=name, internal_only_headers=[*clusters, text])
    return make_resource(name, message, frozenset(Key(CLUSTER, cluster) for cluster in clusters))


def scope(name: str) -> Resource:
    message = scoped_route_pb2.ScopedRouteConfiguration(name=name, route_configuration_name=name)
    return make_resource(name, message, frozenset({Key(ROUTES, name)}))


class Peer:
    """A stream, what is published, and the responses that are not answered yet."""

    def __init__(self, *resources: Resource) -> None:
        self.stream = Stream(0.0)
        self.snapshot = Snapshot().apply(Delta(resources))
        self.open: dict[str, discovery_pb2.DeltaDiscoveryResponse] = {}

    def publish(self, *upserted: Resource, remove: tuple[Key, ...] = ()) -> None:
        delta = Delta(upserted, remove)
        self.snapshot = self.snapshot.apply(delta)
        for key in delta.touched():
            self.stream.changed(key)

    def ask(self, type_url: str, *names: str, initial: dict[str, str] | None = None) -> None:
        request = Request(type_url=type_url, resource_names_subscribe=names, initial_resource_versions=initial or {})
        assert self.stream.receive(request) is None

    def give_up(self, type_url: str, *names: str) -> None:
        self.stream.receive(Request(type_url=type_url, resource_names_unsubscribe=names))

    def sent(self) -> list[tuple[str, list[str], list[str]]]:
        """Returns type, names and removed names of each response that is sent now."""
        responses = self.stream.responses(self.snapshot)
        self.open |= {response.type_url: response for response in responses}
        return [(r.type_url, [x.name for x in r.resources], list(r.removed_resources)) for r in responses]

    def acknowledge(self, *types: str) -> None:
        for type_url in types:
            self.stream.receive(Request(type_url=type_url, response_nonce=self.open.pop(type_url).nonce))

    def refuse(self, type_url: str) -> None:
        nonce = self.open.pop(type_url).nonce
        self.stream.receive(Request(type_url=type_url, response_nonce=nonce, error_detail=status_pb2.Status(code=3)))

    def settle(self) -> None:
        while self.sent():
            self.acknowledge(*self.open)


def following(*resources: Resource) -> Peer:
    """Returns a peer that has taken all of this."""
    peer = Peer(*resources)
    for type_url in (CLUSTER, SCOPE):
        peer.ask(type_url)
    for type_url in (ENDPOINTS, ROUTES):
        peer.ask(type_url, *peer.snapshot.of_type(type_url))
    peer.settle()
    return peer


def test_types_go_in_their_order() -> None:
    peer = Peer(*cluster("a"), routes("r", "a"), scope("r"))
    for type_url in reversed(PUSH_ORDER):
        peer.ask(type_url)
    assert [sent[0] for sent in peer.sent()] == [CLUSTER, ENDPOINTS, SCOPE]


def test_routes_wait_until_their_clusters_are_taken() -> None:
    peer = Peer(*cluster("a"), routes("r", "a"))
    peer.ask(CLUSTER)
    peer.ask(ROUTES, "r")
    assert peer.sent() == [(CLUSTER, ["a"], [])]
    assert peer.sent() == []
    peer.acknowledge(CLUSTER)
    assert peer.sent() == [(ROUTES, ["r"], [])]


def test_routes_wait_for_a_new_cluster_while_clusters_are_under_way() -> None:
    peer = following(*cluster("a"), routes("r", "a"))
    peer.publish(*cluster("b"))
    assert peer.sent() == [(CLUSTER, ["b"], [])]
    peer.publish(*cluster("c"), routes("r", "c"))
    assert peer.sent() == []
    peer.acknowledge(CLUSTER)
    assert peer.sent() == [(CLUSTER, ["c"], [])]
    peer.acknowledge(CLUSTER)
    assert peer.sent() == [(ROUTES, ["r"], [])]


def test_routes_to_a_refused_cluster_are_never_sent_and_others_are() -> None:
    peer = following(*cluster("a"), routes("r", "a"), routes("other", "a"))
    peer.publish(*cluster("bad"), routes("r", "bad"))
    peer.sent()
    peer.refuse(CLUSTER)
    peer.publish(routes("other", "a", text="changed"))
    assert peer.sent() == [(ROUTES, ["other"], [])]


def test_a_cluster_is_removed_when_no_route_leads_to_it_any_more() -> None:
    peer = following(*cluster("a"), *cluster("b"), routes("r", "a"), scope("r"))
    peer.publish(routes("r", "b"), remove=(Key(CLUSTER, "a"), Key(ENDPOINTS, "a")))
    assert peer.sent() == [(ROUTES, ["r"], [])]
    assert peer.sent() == []
    peer.acknowledge(ROUTES)
    assert peer.sent() == [(CLUSTER, [], ["a"])]
    peer.give_up(ENDPOINTS, "a")
    peer.acknowledge(CLUSTER)
    assert peer.sent() == []


def test_a_cluster_stays_while_routes_to_it_are_under_way() -> None:
    peer = following(*cluster("a"), *cluster("b"), routes("r", "a"))
    peer.publish(routes("r", "b"))
    peer.sent()
    peer.publish(routes("r", "a", text="back"), remove=(Key(CLUSTER, "b"), Key(ENDPOINTS, "b")))
    assert peer.sent() == []
    peer.acknowledge(ROUTES)
    assert peer.sent() == [(ROUTES, ["r"], [])]
    peer.acknowledge(ROUTES)
    assert peer.sent() == [(CLUSTER, [], ["b"])]


def test_a_cluster_stays_while_the_last_good_routes_lead_to_it() -> None:
    peer = following(*cluster("a"), *cluster("b"), *cluster("c"), routes("r", "a"), routes("other", "c"))
    peer.publish(routes("r", "b"), remove=(Key(CLUSTER, "a"), Key(ENDPOINTS, "a")))
    peer.sent()
    peer.refuse(ROUTES)
    assert peer.sent() == []
    # Another endpoint's clusters come and go all the same.
    peer.publish(routes("other", "b"), remove=(Key(CLUSTER, "c"), Key(ENDPOINTS, "c")))
    peer.sent()
    peer.acknowledge(ROUTES)
    assert peer.sent() == [(CLUSTER, [], ["c"])]


def test_a_scope_goes_before_its_routes_go() -> None:
    peer = following(*cluster("a"), routes("r", "a"), scope("r"))
    peer.publish(remove=(Key(SCOPE, "r"), Key(ROUTES, "r")))
    assert peer.sent() == [(SCOPE, [], ["r"])]
    peer.acknowledge(SCOPE)
    peer.give_up(ROUTES, "r")
    assert peer.sent() == []


def test_after_a_new_start_nothing_is_removed_before_it_is_known_that_nothing_leads_to_it() -> None:
    peer = Peer(*cluster("a"), routes("same", "a"), routes("r", "a"), scope("r"), scope("same"))
    peer.ask(CLUSTER, initial={"old": "1", "a": cluster("a")[0].version})
    assert peer.sent() == []  # its routes may lead there: it has not told yet
    peer.ask(SCOPE, initial={name: scope(name).version for name in ("r", "same")})
    assert peer.sent() == []
    peer.ask(ROUTES, "same", "r", initial={"same": routes("same", "a").version, "r": "to the old one"})
    assert peer.sent() == [(ROUTES, ["r"], [])]
    peer.acknowledge(ROUTES)
    assert peer.sent() == [(CLUSTER, [], ["old"])]


def test_after_a_new_start_without_scopes_nothing_leads_anywhere() -> None:
    peer = Peer()
    peer.ask(CLUSTER, initial={"old": "1"})
    peer.ask(SCOPE)
    assert peer.sent() == [(CLUSTER, [], ["old"])]


def test_after_a_new_start_the_last_good_routes_may_lead_anywhere() -> None:
    peer = Peer(*cluster("a"), routes("r", "a"), scope("r"))
    peer.ask(CLUSTER, initial={"old": "1", "a": cluster("a")[0].version})
    peer.ask(SCOPE, initial={"r": scope("r").version})
    peer.ask(ROUTES, "r", initial={"r": "to the old one"})
    peer.sent()
    peer.refuse(ROUTES)
    assert peer.sent() == []


def test_after_a_new_start_what_is_the_same_is_not_sent() -> None:
    everything = (*cluster("a"), routes("r", "a"), scope("r"))
    peer = Peer(*everything)
    for resource in everything:
        names = () if resource.key.type_url in (CLUSTER, SCOPE) else (resource.key.name,)
        peer.ask(resource.key.type_url, *names, initial={resource.key.name: resource.version})
    assert peer.sent() == []
    assert all(peer.stream.has(resource.key, resource.version) for resource in everything)


def test_nonces_differ_and_only_the_last_answers() -> None:
    peer = Peer(*cluster("a"), *cluster("b"))
    peer.ask(CLUSTER)
    peer.ask(ENDPOINTS, "a", "b")
    peer.sent()
    assert peer.open[CLUSTER].nonce != peer.open[ENDPOINTS].nonce
    peer.stream.receive(Request(type_url=CLUSTER, response_nonce=peer.open[ENDPOINTS].nonce))
    made, _ = cluster("a")
    assert not peer.stream.has(made.key, made.version)
    peer.acknowledge(CLUSTER)
    assert peer.stream.has(made.key, made.version)


def test_a_node_says_its_name_once() -> None:
    stream = Stream(0.0)
    stream.receive(Request(type_url=CLUSTER, node=base_pb2.Node(id="gateway")))
    stream.receive(Request(type_url=SCOPE))
    assert stream.node_id == "gateway"


def test_types_that_are_not_published_are_not_answered_nor_remembered() -> None:
    peer = Peer(*cluster("a"))
    for number in range(10):
        peer.ask(f"type.googleapis.com/unknown{number}")
    assert peer.sent() == []
    assert set(peer.stream.subscriptions) == set(PUSH_ORDER)


def test_a_stream_is_woken_by_requests_and_changes() -> None:
    stream = Stream(0.0)
    assert not stream.woken.is_set()
    stream.receive(Request(type_url=CLUSTER))
    assert stream.woken.is_set()
    stream.woken.clear()
    stream.changed(Key(CLUSTER, "a"))
    assert stream.woken.is_set()


def test_an_envoy_is_sent_what_suits_whether_it_knows_of_others() -> None:
    shared, whole = routes("r", text="shared"), routes("r", text="whole")
    both = make_resource("r", _message(shared), alone=_message(whole))
    for known, body in (({}, whole.body), ({"local_cluster_name": "gateways"}, shared.body)):
        peer = Peer(both, routes("q"))
        first = Request(type_url=ROUTES, resource_names_subscribe=["q", "r"])
        first.node.id = "gateway"
        first.node.metadata.update(known)
        peer.stream.receive(first)
        peer.sent()
        sent = {resource.name: resource for resource in peer.open[ROUTES].resources}
        assert (sent["r"].resource, sent["r"].version) == (body, both.version)
        assert sent["q"].resource == routes("q").body  # one for all
        peer.acknowledge(ROUTES)
        assert peer.stream.has(both.key, both.version)


def test_a_resource_differs_where_either_of_its_bodies_does() -> None:
    one, other = (_message(routes("r", text=text)) for text in ("one", "other"))
    made = [make_resource("r", one), make_resource("r", one, alone=one), make_resource("r", one, alone=other)]
    assert len({resource.version for resource in made}) == len(made)


def _message(resource: Resource) -> route_pb2.RouteConfiguration:
    return route_pb2.RouteConfiguration.FromString(resource.body.value)
