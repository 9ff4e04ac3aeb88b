from __future__ import annotations

from kea_auth.login.attempts import MAX_KEYS, Attempts


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_many_come_through_at_once_and_then_one_by_one() -> None:
    clock = Seconds()
    attempts = Attempts(10, clock)
    assert [attempts.take("ada") for _ in range(10)] == [0] * 10
    assert attempts.take("ada") == 6
    assert attempts.take("bob") == 0
    clock.now += 6
    assert attempts.take("ada") == 0
    assert attempts.take("ada") > 0
    clock.now += 3600
    assert [attempts.take("ada") for _ in range(11)][-1] > 0


def test_its_memory_is_bounded() -> None:
    attempts = Attempts(1, Seconds())
    for number in range(MAX_KEYS + 100):
        attempts.take(str(number))
    assert len(attempts) == MAX_KEYS
