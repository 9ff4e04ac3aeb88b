"""Clauses of "Incremental xDS" and what Envoy does beyond them, one by one."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.rpc import status_pb2
from kea_router.xds import subscription
from kea_router.xds.resource import CLUSTER, Resource, make_resource
from kea_router.xds.subscription import MAX_PROBLEM, Batch, Refusal, Subscription


def resource(name: str, text: str = "") -> Resource:
    return make_resource(name, cluster_pb2.Cluster(name=name, alt_stat_name=text))


def request(
    *subscribe: str,
    unsubscribe: tuple[str, ...] = (),
    nonce: str = "",
    refuse: str = "",
    initial: dict[str, str] | None = None,
) -> discovery_pb2.DeltaDiscoveryRequest:
    return discovery_pb2.DeltaDiscoveryRequest(
        type_url=CLUSTER,
        resource_names_subscribe=subscribe,
        resource_names_unsubscribe=unsubscribe,
        response_nonce=nonce,
        error_detail=status_pb2.Status(code=3, message=refuse) if refuse else None,
        initial_resource_versions=initial or {},
    )


class Peer:
    """A subscription, what is published, and the nonces of what it sends."""

    def __init__(self, *names: str) -> None:
        self.subscription = Subscription()
        self.published = {name: resource(name) for name in names}
        self._nonce = 0

    def publish(self, *changed: Resource, remove: tuple[str, ...] = ()) -> None:
        for one in changed:
            self.published[one.key.name] = one
            self.subscription.changed(one.key.name)
        for name in remove:
            del self.published[name]
            self.subscription.changed(name)

    def ask(self, *subscribe: str, **parts: object) -> Refusal | None:
        return self.subscription.receive(request(*subscribe, **parts))  # pyright: ignore[reportArgumentType]

    def due(self, *, timely: bool = True) -> Batch:
        """Returns what is sent, which is sent."""
        batch = self.subscription.due(self.published, lambda _name, _resource: timely)
        if batch:
            self._nonce += 1
            self.subscription.sent(self.nonce, batch)
        return batch

    def sent(self) -> list[str]:
        return [one.key.name for one in self.due().resources]

    @property
    def nonce(self) -> str:
        return str(self._nonce)

    def acknowledge(self) -> None:
        assert self.ask(nonce=self.nonce) is None

    def refuse(self, problem: str = "bad") -> Refusal:
        refusal = self.ask(nonce=self.nonce, refuse=problem)
        assert refusal is not None
        return refusal

    def settle(self) -> None:
        while self.due():
            self.acknowledge()


def test_nothing_is_sent_before_it_is_asked_for() -> None:
    peer = Peer("a")
    assert not peer.due()
    peer.publish(resource("b"))
    assert not peer.due()


def test_a_first_request_without_names_asks_for_everything() -> None:
    peer = Peer("b", "a")
    peer.ask()
    assert peer.sent() == ["a", "b"]
    peer.acknowledge()
    peer.publish(resource("c"))
    assert peer.sent() == ["c"]


def test_a_star_asks_for_everything_and_ends_it() -> None:
    peer = Peer("a", "b")
    peer.ask("*", "b")
    assert peer.sent() == ["a", "b"]
    peer.acknowledge()
    peer.ask(unsubscribe=("*",))
    peer.publish(resource("a", "changed"), resource("b", "changed"))
    assert peer.sent() == ["b"]
    peer.acknowledge()
    peer.ask("*")
    assert peer.sent() == ["a"]


def test_what_the_star_brought_is_not_removed_when_it_ends() -> None:
    peer = Peer("a", "b")
    peer.ask("*", "b")
    peer.settle()
    peer.ask(unsubscribe=("*",))
    peer.publish(remove=("a", "b"))
    assert peer.due().removed == ("b",)


def test_named_resources_alone_are_sent_and_no_others() -> None:
    peer = Peer("a", "b", "c")
    peer.ask("a")
    assert peer.sent() == ["a"]
    peer.acknowledge()
    peer.ask("c")
    assert peer.sent() == ["c"]
    peer.acknowledge()
    peer.ask(unsubscribe=("a",))
    peer.publish(resource("a", "changed"), resource("b", "changed"), resource("c", "changed"))
    assert peer.sent() == ["c"]


def test_an_equal_resource_is_not_sent_again() -> None:
    peer = Peer("a")
    peer.ask()
    peer.settle()
    peer.publish(resource("a"))
    assert not peer.due()


def test_nothing_is_sent_while_a_response_is_unanswered_then_only_the_newest() -> None:
    peer = Peer("a")
    peer.ask()
    peer.due()
    peer.publish(resource("a", "second"))
    assert not peer.due()
    peer.publish(resource("a", "third"))
    peer.acknowledge()
    assert peer.due().resources == (resource("a", "third"),)


def test_a_name_asked_for_again_is_sent_again() -> None:
    peer = Peer("a")
    peer.ask("a")
    peer.settle()
    peer.ask("a")
    assert peer.sent() == ["a"]


def test_a_name_asked_for_again_together_with_an_answer_is_sent_again() -> None:
    peer = Peer("a", "b")
    peer.ask("a")
    peer.due()
    peer.ask(unsubscribe=("a",))
    # The peer has thrown away what was under way, then wants it after all: one request says both.
    peer.ask("a", nonce=peer.nonce)
    assert peer.sent() == ["a"]


def test_a_name_under_a_star_that_is_asked_for_is_sent_again() -> None:
    peer = Peer("a")
    peer.ask()
    peer.settle()
    peer.ask("a")
    assert peer.sent() == ["a"]


def test_a_name_given_up_under_a_star_is_told_again() -> None:
    peer = Peer("a", "b")
    peer.ask("*", "a", "b")
    peer.settle()
    peer.publish(remove=("b",))
    peer.ask(unsubscribe=("a", "b"))
    batch = peer.due()
    assert [one.key.name for one in batch.resources] == ["a"]
    assert batch.removed == ("b",)


def test_what_the_peer_still_holds_from_before_is_not_sent_again() -> None:
    peer = Peer("same", "changed", "new")
    same = resource("same").version
    peer.ask(initial={"same": same, "changed": "old", "gone": "old"})
    batch = peer.due()
    assert [one.key.name for one in batch.resources] == ["changed", "new"]
    assert batch.removed == ("gone",)
    peer.acknowledge()
    assert not peer.due()
    assert peer.subscription.held.version("same") == same


def test_named_resources_that_are_held_from_before_are_not_sent_again() -> None:
    peer = Peer("a", "b")
    peer.ask("a", "b", initial={"a": resource("a").version})
    assert peer.sent() == ["b"]


def test_a_removal_is_told_once() -> None:
    peer = Peer("a")
    peer.ask()
    peer.settle()
    peer.publish(remove=("a",))
    assert peer.due() == Batch(removed=("a",))
    peer.acknowledge()
    peer.publish(resource("b"))
    assert peer.due().removed == ()
    peer.acknowledge()
    peer.publish(resource("a"))
    assert peer.sent() == ["a"]


def test_a_name_that_is_not_there_is_told_once_and_sent_when_it_is() -> None:
    peer = Peer()
    peer.ask("a")
    assert peer.due() == Batch(removed=("a",))
    peer.acknowledge()
    assert not peer.due()
    peer.publish(resource("a"))
    assert peer.sent() == ["a"]
    peer.acknowledge()
    peer.publish(remove=("a",))
    assert peer.due() == Batch(removed=("a",))


def test_what_is_not_timely_waits() -> None:
    peer = Peer("a")
    peer.ask()
    assert not peer.due(timely=False)
    assert peer.sent() == ["a"]
    peer.acknowledge()
    peer.publish(remove=("a",))
    assert not peer.due(timely=False)
    assert peer.due().removed == ("a",)


def test_an_answer_to_something_older_is_no_answer() -> None:
    peer = Peer("a")
    peer.ask()
    peer.due()
    assert peer.ask(nonce="0") is None
    assert peer.ask(nonce="0", refuse="bad") is None
    assert peer.subscription.held.version("a") is None
    assert not peer.due()


def test_what_is_given_up_while_it_is_under_way_is_not_held() -> None:
    peer = Peer("a", "b")
    peer.ask("a", "b")
    peer.due()
    peer.ask(unsubscribe=("a",))
    peer.acknowledge()
    assert "a" not in peer.subscription.held
    assert "b" in peer.subscription.held


def test_a_refused_version_is_not_sent_again_but_the_next_one_is() -> None:
    peer = Peer("a")
    peer.ask()
    peer.settle()
    good = peer.published["a"]
    bad = resource("a", "bad")
    peer.publish(bad)
    peer.due()
    assert peer.refuse("no good") == Refusal(("a",), "no good")
    assert peer.subscription.rejection("a", bad.version) == "no good"
    assert peer.subscription.rejection("a", good.version) == ""
    assert peer.subscription.problem == "no good"
    assert peer.subscription.held.version("a") == good.version
    for _ in range(3):
        peer.publish(bad)
        assert not peer.due()
    peer.publish(resource("a", "mended"))
    assert peer.sent() == ["a"]
    peer.acknowledge()
    assert peer.subscription.problem == ""


def test_a_refused_version_that_is_taken_back_is_settled_without_sending() -> None:
    peer = Peer("a")
    peer.ask()
    peer.settle()
    peer.publish(resource("a", "bad"))
    peer.due()
    peer.refuse()
    peer.publish(resource("a"))
    assert not peer.due()
    assert peer.subscription.problem == ""


def test_one_bad_resource_does_not_keep_the_good_ones_away() -> None:
    names = [f"r{number:03}" for number in range(200)]
    peer = Peer(*names)
    peer.ask()
    responses = 0
    while batch := peer.due():
        responses += 1
        sent = {one.key.name for one in batch.resources}
        if "r077" in sent:
            assert peer.refuse().isolated == (sent == {"r077"})
        else:
            peer.acknowledge()
    assert peer.subscription.held.names() == set(names) - {"r077"}
    assert peer.subscription.rejection("r077", peer.published["r077"].version) == "bad"
    assert responses < 25


def test_a_peer_that_refuses_everything_is_not_asked_for_ever() -> None:
    peer = Peer(*"abcdefgh")
    peer.ask()
    count = 0
    while peer.due():
        peer.refuse()
        count += 1
    assert count == 15


def test_a_refused_removal_is_not_told_for_ever() -> None:
    peer = Peer("a")
    peer.ask()
    peer.settle()
    peer.publish(remove=("a",))
    peer.due()
    assert peer.refuse() == Refusal(("a",), "bad")
    assert not peer.due()
    peer.publish(resource("a", "back"))
    assert peer.sent() == ["a"]


def test_what_is_refused_and_gone_is_forgotten() -> None:
    peer = Peer("a")
    peer.ask()
    peer.due()
    peer.refuse()
    peer.publish(remove=("a",))
    assert not peer.due()
    assert peer.subscription.problem == ""


def test_a_change_while_parts_are_tried_is_not_lost() -> None:
    peer = Peer("a", "b")
    peer.ask()
    peer.due()
    peer.refuse()
    peer.publish(resource("a", "changed"), resource("c"))
    sent: list[str] = []
    while batch := peer.due():
        sent += [one.key.name for one in batch.resources]
        peer.acknowledge()
    assert sent == ["a", "b", "c"]
    assert peer.subscription.held.version("a") == resource("a", "changed").version


def test_a_refusals_text_is_bounded() -> None:
    peer = Peer("a")
    peer.ask()
    peer.due()
    assert len(peer.refuse("x" * 100_000).problem) == MAX_PROBLEM


@pytest.fixture
def small_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MOST_RESOURCES", 2)


@pytest.mark.usefixtures("small_responses")
def test_what_is_asked_for_one_by_one_is_sent_in_small_responses() -> None:
    peer = Peer(*"abcde")
    peer.ask(*"abcde", "gone")
    sent: list[list[str]] = []
    while batch := peer.due():
        sent.append([one.key.name for one in batch.resources])
        assert not peer.due()  # one at a time
        peer.acknowledge()
    assert sent == [["a", "b"], ["c", "d"], ["e"]]
    assert peer.subscription.held.names() == set("abcde")


def test_a_response_ends_with_what_makes_it_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MOST_BYTES", 1000)
    peer = Peer()
    peer.ask(*"abc")
    peer.publish(resource("a"), resource("b", "x" * 1000), resource("c"))
    assert peer.sent() == ["a", "b"]
    peer.acknowledge()
    assert peer.sent() == ["c"]


@pytest.mark.usefixtures("small_responses")
def test_whoever_asks_for_all_gets_all_at_once() -> None:
    # Envoy takes the first response for all there is: it would open its door without the others.
    peer = Peer(*"abcde")
    peer.ask()
    assert peer.sent() == list("abcde")


@pytest.mark.usefixtures("small_responses")
def test_what_has_waited_longest_is_sent_first_however_often_others_change() -> None:
    peer = Peer(*"abc")
    peer.ask(*"abc")
    sent: list[str] = []
    for number in range(3):
        peer.publish(resource("a", f"a{number}"), resource("b", f"b{number}"))
        sent += peer.sent()
        peer.acknowledge()
    assert sent == ["a", "b", "c", "a", "b", "a"]


@pytest.mark.usefixtures("small_responses")
def test_one_that_is_refused_does_not_keep_what_is_in_other_responses_away() -> None:
    peer = Peer(*"abcde")
    peer.ask(*"abcde")
    while batch := peer.due():
        if any(one.key.name == "b" for one in batch.resources):
            peer.refuse()
        else:
            peer.acknowledge()
    assert peer.subscription.held.names() == set("acde")
    assert peer.subscription.rejection("b", peer.published["b"].version) == "bad"
