from __future__ import annotations

from kea_auth.login.refusals import MOST_A_MINUTE, OF_ADDRESS_A_MINUTE, Refusals


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_address_is_told_so_many_times_a_minute_and_counted_then() -> None:
    clock = Seconds()
    refusals = Refusals(clock)
    assert sum(refusals.take("10.0.0.1", limited=False) for _ in range(1000)) == OF_ADDRESS_A_MINUTE
    assert refusals.take("10.0.0.2", limited=False)
    assert refusals.untold() == 1000 - OF_ADDRESS_A_MINUTE
    assert refusals.untold() == 0
    clock.now += 60
    assert refusals.take("10.0.0.1", limited=False)


def test_the_limit_of_attempts_is_told_once_a_minute_for_each_address() -> None:
    refusals = Refusals(Seconds())
    assert [refusals.take("10.0.0.1", limited=True) for _ in range(3)] == [True, False, False]
    assert refusals.take("10.0.0.1", limited=False)


def test_a_thousand_addresses_together_are_bounded_too() -> None:
    clock = Seconds()
    refusals = Refusals(clock)
    told = 0
    for second in range(600):
        clock.now = float(second)
        told += sum(refusals.take(f"10.0.{second}.{host}", limited=False) for host in range(10))
    assert told <= MOST_A_MINUTE * 11
    assert refusals.untold() == 6000 - told
