from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_batches import SECOND, START, Clock, batch_of, received, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kea_auth.audit.chain import Chain, Limits, Position
from kea_auth.audit.errors import AuditFilterInvalid
from kea_auth.audit.event import AuditEvent, Decision, Filter
from kea_auth.audit.search import Found, Log, read_place
from kea_auth.audit.segment import segment_path


def chain_of(directory: Path, name: str, clock: Clock) -> Chain:
    return Chain(directory / name, Limits(segment_bytes=3000), clock)


def fill(chain: Chain, clock: Clock, first: int, count: int) -> None:
    """Writes batches of three requests; request n begins n seconds after the start, by user n % 5."""
    for number in range(first, first + count * 3, 3):
        clock.now = START + (number + 3) * SECOND
        records = [
            request(
                START + each * SECOND,
                user_id=f"users/{each % 5}",
                kea_request_id=f"r{each}",
                kea_endpoint=f"default/{'iris' if each % 2 else 'wine'}",
                client_address=f"10.0.{each % 3}.1",
                envoy_response_code__details="via_upstream" if each % 7 else "local_rate_limited",
            )
            for each in range(number, number + 3)
        ]
        chain.write([received(batch_of(*records), clock.now)])


def log_of(directory: Path, *chains: Chain) -> Log:
    return Log(directory, lambda: (chains[0].directory.name, chains[0].position))


def pages(log: Log, wanted: Filter, *, oldest_first: bool, most: int, hurry: bool = False) -> Iterator[Found]:
    after, time = None, 0.0

    def monotonic() -> float:
        nonlocal time
        time += 1 if hurry else 0
        return time

    while True:
        part = log.search(wanted, oldest_first=oldest_first, after=after, most=most, monotonic=monotonic)
        yield from part.found
        if part.next is None:
            return
        after = read_place(str(part.next))


def requests(found: Iterator[Found]) -> list[int]:
    return [int(one.event.request_id[1:]) for one in found]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    directory = tmp_path_factory.mktemp("search")
    clock = Clock()
    one, two = chain_of(directory, "000", clock), chain_of(directory, "001", clock)
    for begin in range(0, 240, 24):
        fill(one, clock, begin, 4)
        fill(two, clock, begin + 12, 4)
    yield log_of(directory, one, two)
    one.close()
    two.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    oldest_first=st.booleans(),
    most=st.integers(1, 300),
    hurry=st.booleans(),
    begin=st.integers(0, 240),
    length=st.integers(0, 240),
    subject=st.sampled_from(["", "users/3", "users/9"]),
    resource=st.sampled_from(["", "projects/default/endpoints/iris", "projects/default", "projects/def"]),
    decision=st.sampled_from([None, Decision.LIMITED]),
    address=st.sampled_from(["", "10.0.1.1", "10.0.0.0/23", "2001:db8::/32"]),
)
def test_pages_together_are_all_that_fits_in_order_each_once(
    log: Log,
    *,
    oldest_first: bool,
    most: int,
    hurry: bool,
    begin: int,
    length: int,
    subject: str,
    resource: str,
    decision: Decision | None,
    address: str,
) -> None:
    wanted = Filter(
        start=START + begin * SECOND,
        end=START + (begin + length) * SECOND,
        subject=subject,
        resource=resource,
        decision=decision,
        source_address=address,
    )
    expected = [
        each
        for each in range(begin, min(240, begin + length))
        if (not subject or subject == f"users/{each % 5}")
        and (resource in {"", "projects/default"} or (resource.endswith("iris") and each % 2))
        and (decision is None or each % 7 == 0)
        and (not address or (each % 3 == 1 and address == "10.0.1.1") or (each % 3 < 2 and address == "10.0.0.0/23"))
    ]
    found = requests(pages(log, wanted, oldest_first=oldest_first, most=most, hurry=hurry))
    assert found == (expected if oldest_first else expected[::-1])


def test_what_comes_in_meanwhile_does_not_move_the_pages_that_follow(tmp_path: Path) -> None:
    clock = Clock()
    chain = chain_of(tmp_path, "000", clock)
    fill(chain, clock, 0, 10)
    log = log_of(tmp_path, chain)
    first = log.search(Filter(), oldest_first=False, after=None, most=10)
    fill(chain, clock, 30, 10)
    rest = log.search(Filter(), oldest_first=False, after=first.next, most=1000)
    assert requests(iter((*first.found, *rest.found))) == list(range(29, -1, -1))
    chain.close()


def test_what_was_received_twice_is_found_once(tmp_path: Path) -> None:
    clock = Clock()
    chain = chain_of(tmp_path, "000", clock)
    content = batch_of(request(START, kea_request_id="r1"), request(START, kea_request_id="r2"))
    chain.write([received(content, START), received(content, START + 1)])
    part = log_of(tmp_path, chain).search(Filter(), oldest_first=True, after=None, most=10)
    assert [found.event.request_id for found in part.found] == ["r1", "r2"]
    chain.close()


def test_a_damaged_batch_does_not_hide_the_others(tmp_path: Path) -> None:
    clock = Clock()
    chain = chain_of(tmp_path, "000", clock)
    for number in range(3):
        fill(chain, clock, number * 3, 1)
    path = segment_path(chain.directory, 1)
    content = bytearray(path.read_bytes())
    place = content.find(b"\x0a", len(content) // 2)
    content[place + 20 : place + 40] = bytes(20)
    path.write_bytes(content)
    found = log_of(tmp_path, chain).search(Filter(), oldest_first=True, after=None, most=10).found
    assert len(found) in {6, 9}
    chain.close()


def test_what_is_not_on_the_disk_yet_is_not_found(tmp_path: Path) -> None:
    clock = Clock()
    chain = chain_of(tmp_path, "000", clock)
    fill(chain, clock, 0, 2)
    before = chain.position
    fill(chain, clock, 6, 2)
    log = Log(tmp_path, lambda: ("000", Position(before.segment, before.end, before.hash)))
    found = log.search(Filter(), oldest_first=True, after=None, most=100).found
    assert requests(iter(found)) == list(range(6))
    chain.close()


@pytest.mark.parametrize("address", ["10.0.0.0/99", "x/1", "/"])
def test_a_network_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(AuditFilterInvalid):
        _ = Filter(source_address=address).network


@pytest.mark.parametrize(
    ("wanted", "found", "fits"),
    [
        ("registry.models", "registry.models.create", True),
        ("registry.models.", "registry.models.create", True),
        ("registry.model", "registry.models.create", False),
        ("registry.models.create", "registry.models.create", True),
    ],
)
def test_an_action_has_all_that_begin_with_it(wanted: str, found: str, fits: bool) -> None:  # noqa: FBT001
    event = AuditEvent(id="a", time=START, decision=Decision.ALLOWED, action=found)
    assert Filter(action=wanted).fits(event) is fits
