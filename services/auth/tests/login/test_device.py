from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kea_auth.login.device import ALPHABET, LIFE, DeviceState, Poll, new_device, shown, typed

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def seconds(count: float) -> datetime:
    return NOW + timedelta(seconds=count)


def test_who_asks_too_soon_is_told_to_wait_longer() -> None:
    grant, _ = new_device("kea-cli", NOW)
    told, grant = grant.poll(seconds(0))
    assert told is Poll.PENDING
    told, grant = grant.poll(seconds(2))
    assert (told, grant.interval_seconds) == (Poll.SLOW_DOWN, 10)
    told, grant = grant.poll(seconds(8))
    assert told is Poll.SLOW_DOWN
    told, grant = grant.poll(seconds(25))
    assert told is Poll.PENDING


def test_an_answer_is_told_until_it_expires() -> None:
    grant, _ = new_device("kea-cli", NOW)
    assert replace(grant, state=DeviceState.APPROVED).poll(seconds(1))[0] is Poll.READY
    assert replace(grant, state=DeviceState.DENIED).poll(seconds(1))[0] is Poll.DENIED
    assert replace(grant, state=DeviceState.APPROVED).poll(NOW + LIFE)[0] is Poll.EXPIRED


def test_codes_are_read_however_they_are_typed() -> None:
    grant, code = new_device("kea-cli", NOW)
    assert set(grant.user_code) <= set(ALPHABET)
    assert typed(f" {shown(grant.user_code).lower()} ") == grant.user_code
    assert code not in repr(grant)
    assert len(typed("B" * 5000)) == 9
