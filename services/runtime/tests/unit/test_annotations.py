from __future__ import annotations

import collections
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID

import pytest
from kea_runtime.frameworks.annotations import Converters, duration


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Item:
    name: str
    price: Decimal = Decimal(1)
    made: date | None = None


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list["Tree"])


class Point(NamedTuple):
    x: float
    when: datetime
    label: str = "here"


class Options(TypedDict, total=False):
    items: list[Item]
    colour: Colour


Key = NewType("Key", UUID)
IDENTITY = "9f0b6c1e-6d3a-4f6e-8c7b-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (Item, {"name": "a", "price": 2.5}, Item("a", Decimal("2.5"))),
        (list[Item], [{"name": "a"}], [Item("a")]),
        (Sequence[Item], [{"name": "a", "made": "2026-11-25"}], [Item("a", made=date(2026, 11, 25))]),
        (dict[str, Item], {"x": {"name": "a"}}, {"x": Item("a")}),
        (Mapping[str, list[Colour]], {"x": ["red"]}, {"x": [Colour.RED]}),
        (Item | None, None, None),
        (Item | None, {"name": "a"}, Item("a")),
        (int | Item, 3, 3),
        (str | datetime, "plain", "plain"),
        (Tree, {"value": 1, "children": [{"value": 2}]}, Tree(1, [Tree(2)])),
        (Point, [1.5, "2026-11-25T12:00:00+00:00"], Point(1.5, datetime(2026, 11, 25, 12, tzinfo=UTC))),
        (Options, {"items": [{"name": "a"}], "colour": "red"}, {"items": [Item("a")], "colour": Colour.RED}),
        (set[int], [1, 1, 2], {1, 2}),
        (frozenset[Colour], ["red"], frozenset({Colour.RED})),
        (collections.deque[int], [1, 2], collections.deque([1, 2])),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[str, date], ["a", "2026-11-25"], ("a", date(2026, 11, 25))),
        (tuple, [1, "a"], (1, "a")),
        (Annotated[timedelta, "how long"], "P1DT2H30M0.5S", timedelta(days=1, hours=2, minutes=30, seconds=0.5)),
        (Key, IDENTITY, UUID(IDENTITY)),
        (bytes, "a2Vh", b"kea"),
        (Path, "/tmp/x", Path("/tmp/x")),
    ],
)
def test_a_value_becomes_what_the_hint_says(hint: Any, value: Any, expected: Any) -> None:
    convert = Converters().of(hint)
    assert convert is not None
    found = convert(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "hint", [int, str, list[int], dict[str, float], Literal["a"], Any, int | str, list, dict, "unknown", None]
)
def test_what_json_has_already_is_left_alone(hint: Any) -> None:
    assert Converters().of(hint) is None


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (date, "yesterday"),
        (Colour, "blue"),
        (list[UUID], ["x"]),
        (bytes, "%"),
        (timedelta, "P"),
        (Item | date, "x"),
        (Decimal, "x"),
    ],
)
def test_what_the_type_refuses_is_an_error_of_the_caller(hint: Any, value: Any) -> None:
    convert = Converters().of(hint)
    assert convert is not None
    with pytest.raises((ValueError, ArithmeticError)):
        convert(value)


def test_a_negative_duration() -> None:
    assert duration("-PT30S") == -timedelta(seconds=30)
