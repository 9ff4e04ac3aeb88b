from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from kea_auth.domain.claims import LONGEST_TTL, MARGIN
from kea_auth.domain.key_ring import MAX_KEYS, KeyRing, Plan, State
from kea_auth.domain.signing_key import SigningKey, make_key
from kea_core.tokens import TokenVerifier

START = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
SECONDS_5 = timedelta(seconds=5)


def key(number: int, active_after: timedelta) -> SigningKey:
    return make_key(number, START, START + active_after)


def test_without_keys_one_is_due() -> None:
    ring = KeyRing([])
    assert ring.active(START) is None
    assert ring.next_number == 1
    assert ring.plan(START, MONTH) == Plan(make=True, remove=())
    assert json.loads(ring.jwks()) == {"keys": []}


def test_a_key_is_pending_then_active_then_retired() -> None:
    first, second = key(1, timedelta(0)), key(2, SECONDS_5)
    ring = KeyRing([second, first])
    assert [(v.key, v.state) for v in ring.views(START)] == [(second, State.PENDING), (first, State.ACTIVE)]
    assert [(v.key, v.state) for v in ring.views(START + SECONDS_5)] == [
        (second, State.ACTIVE),
        (first, State.RETIRED),
    ]
    assert ring.active(START) == first
    assert ring.active(START + SECONDS_5) == second


def test_a_retired_key_stays_until_its_longest_token_has_expired() -> None:
    first, second = key(1, timedelta(0)), key(2, SECONDS_5)
    ring = KeyRing([first, second])
    end = START + SECONDS_5 + LONGEST_TTL + MARGIN
    assert ring.views(end)[1].expire_time == end
    assert ring.plan(end - timedelta(seconds=1), MONTH).remove == ()
    assert ring.plan(end, MONTH).remove == (first,)


def test_a_retired_key_stays_until_the_last_api_key_that_it_signed_has_expired() -> None:
    first, second, third = key(1, timedelta(0)), key(2, SECONDS_5), key(3, SECONDS_5 * 2)
    end = START + timedelta(days=400)
    ring = KeyRing([first, second, third], {first.kid: end, second.kid: START + SECONDS_5, third.kid: end})
    of_tokens = START + SECONDS_5 * 2 + LONGEST_TTL + MARGIN
    assert [view.expire_time for view in ring.views(of_tokens)] == [None, of_tokens, end + MARGIN]
    assert ring.plan(of_tokens, MONTH * 100).remove == (second,)
    assert ring.plan(end + MARGIN - timedelta(seconds=1), MONTH * 100).remove == (second,)
    assert ring.plan(end + MARGIN, MONTH * 100).remove == (second, first)


def test_no_key_is_made_where_there_is_no_room_and_the_one_that_signs_goes_on() -> None:
    keys = [key(number, SECONDS_5 * number) for number in range(1, MAX_KEYS + 1)]
    later = START + timedelta(days=300)
    needed = {one.kid: START + timedelta(days=400) for one in keys}
    full = KeyRing(keys, needed)
    assert full.plan(later, MONTH) == Plan(make=False, remove=(), full=True)
    assert full.active(later) == keys[-1]
    # As soon as the last API key of one of them is revoked there is room.
    room = KeyRing(keys, {kid: time for kid, time in needed.items() if kid != keys[3].kid})
    assert room.plan(later, MONTH) == Plan(make=True, remove=(keys[3],))
    assert not full.plan(START + SECONDS_5 * MAX_KEYS, MONTH).full


def test_the_next_key_is_due_when_the_newest_is_old() -> None:
    ring = KeyRing([key(1, timedelta(0))])
    assert not ring.plan(START + MONTH - timedelta(seconds=1), MONTH).make
    assert ring.plan(START + MONTH, MONTH).make
    assert not ring.with_key(key(2, MONTH + SECONDS_5)).plan(START + MONTH, MONTH).make


def test_the_first_key_signs_even_where_the_clock_is_behind() -> None:
    first = key(1, timedelta(seconds=3))
    assert KeyRing([first]).active(START) == first
    assert KeyRing([first]).views(START)[0].state is State.ACTIVE


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8), st.integers(0, 200_000))
def test_one_key_signs_at_any_time_and_is_never_removed(offsets: list[int], moment: int) -> None:
    keys = [
        SigningKey(number, str(number), b"\x01" * 32, START, START + timedelta(seconds=offset))
        for number, offset in enumerate(offsets, 1)
    ]
    now = START + timedelta(seconds=moment)
    ring = KeyRing(keys)
    assert [view.state for view in ring.views(now)].count(State.ACTIVE) == 1
    assert ring.active(now) not in ring.plan(now, MONTH).remove


def test_the_key_set_is_one_that_verifiers_take_and_keeps_the_private_half() -> None:
    made = make_key(1, START, START)
    jwks = KeyRing([made]).jwks()
    (entry,) = json.loads(jwks)["keys"]
    assert entry.keys() == {"kty", "crv", "alg", "use", "kid", "x"}
    assert (entry["kty"], entry["crv"], entry["alg"], entry["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")
    assert repr(made.private_bytes) not in repr(made)
    verifier = TokenVerifier()
    verifier.use(jwks)
    assert verifier.ready
