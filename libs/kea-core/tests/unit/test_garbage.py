from __future__ import annotations

import gc
import weakref
from collections.abc import Generator

import pytest
from kea_core.garbage import freeze_lasting


class Node:
    """Something that can be in a cycle."""

    def __init__(self) -> None:
        self.other: Node | None = None


def cycle() -> Node:
    one, other = Node(), Node()
    one.other, other.other = other, one
    return one


@pytest.fixture(autouse=True)
def thawed() -> Generator[None, None, None]:
    """What tests have made is looked at again after each of these."""
    yield
    gc.unfreeze()


def test_what_lasts_is_not_looked_at_any_more() -> None:
    lasting = [Node() for _ in range(1000)]
    freeze_lasting()
    looked_at = {id(each) for each in gc.get_objects()}
    assert looked_at.isdisjoint(map(id, lasting))
    assert gc.get_freeze_count() > len(lasting)


def test_garbage_of_the_start_does_not_stay() -> None:
    gone = weakref.ref(cycle())
    freeze_lasting()
    assert gone() is None


def test_cycles_that_are_made_later_are_found() -> None:
    freeze_lasting()
    frozen = gc.get_freeze_count()
    for _ in range(100):
        gone = weakref.ref(cycle())
        gc.collect()
        assert gone() is None
    assert gc.get_freeze_count() <= frozen  # nothing is added to what is not looked at


def test_what_lasted_and_is_in_no_cycle_is_freed_at_once() -> None:
    node = Node()
    gone = weakref.ref(node)
    freeze_lasting()
    del node
    assert gone() is None
