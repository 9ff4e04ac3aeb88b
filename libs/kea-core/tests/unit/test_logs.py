from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kea_core.logs import MAX_DEPTH, MAX_ENTRIES, MAX_FIELD, JsonFormatter
from kea_core.settings import Secret

OWN = {"time", "level", "service", "logger", "event"}


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError


def line(message: object = "saved", *arguments: object, **extra: object) -> dict[str, Any]:
    record = logging.LogRecord("kea.example", logging.WARNING, __file__, 1, message, arguments, None)
    vars(record).update(extra)
    text = JsonFormatter("registry").format(record)
    assert "\n" not in text
    return json.loads(text, parse_constant=_no_json)


def _no_json(constant: str) -> None:
    raise ValueError(constant)


def test_a_line_tells_event_level_logger_service_time_and_what_was_given() -> None:
    found = line("saved %s", "it", version=3, tags=["a", "b"], ratio=0.5, gone=None)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "warning",
        "service": "registry",
        "logger": "kea.example",
        "event": "saved it",
        "version": 3,
        "tags": ["a", "b"],
        "ratio": 0.5,
        "gone": None,
    }


def test_an_exception_is_told_with_its_end_where_it_is_long() -> None:
    try:
        raise RuntimeError("x" * 2 * MAX_FIELD + " the end")  # noqa: TRY301
    except RuntimeError:
        record = logging.LogRecord("kea", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    told = json.loads(JsonFormatter("registry").format(record))["exception"]
    assert (len(told), told.endswith("the end")) == (MAX_FIELD, True)


@pytest.mark.parametrize(
    "value",
    [Secret("hunter2"), [Secret("hunter2")], {"deep": {"er": (Secret("hunter2"),)}}, {Secret("hunter2"): 1}],
)
def test_a_secret_stays_one_however_it_is_given(value: object) -> None:
    assert "hunter2" not in json.dumps(line("saved %s", value, value=value))


@pytest.mark.parametrize("key", sorted(OWN))
def test_an_extra_never_takes_the_place_of_what_the_line_itself_tells(key: str) -> None:
    found = line(**{key: "mine"})
    assert found[key] != "mine"
    assert found[f"extra_{key}"] == "mine"


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10 * MAX_FIELD,
        ["x" * MAX_FIELD] * 10,
        {str(number): "x" * 1000 for number in range(1000)},
        list(range(10_000)),
        b"x" * 10 * MAX_FIELD,
        pytest.param(10**30_000, id="more digits than Python writes"),
    ],
)
def test_a_field_is_bounded(value: object) -> None:
    told = line(field=value)["field"]
    assert len(told if isinstance(told, str) else json.dumps(told)) <= MAX_FIELD
    assert not isinstance(told, list) or len(told) <= MAX_ENTRIES  # pyright: ignore[reportUnknownArgumentType]


def test_what_is_too_deep_is_told_as_text() -> None:
    found: Any = line(field=[[[[[1]]]]])["field"]
    for _ in range(MAX_DEPTH):
        found = found[0]
    assert found == "[[1]]"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (Path("/tmp/x"), "/tmp/x"),
        (Unspeakable(), "<Unspeakable>"),
        ({(1, 2): {3}}, {"(1, 2)": [3]}),
        (True, True),
    ],
)
def test_what_json_does_not_know_is_told_as_text(value: object, told: object) -> None:
    assert line(field=value)["field"] == told


def test_a_list_within_itself_is_told() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert line(field=endless)["field"]


def test_arguments_that_do_not_fit_their_format_cost_no_line() -> None:
    assert line("%s and %s", 1)["event"] == "%s and %s"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.tuples(inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.text(st.characters()), st.dictionaries(st.text(min_size=1).map("x_{}".format), ODD))
def test_whatever_is_given_becomes_one_line_of_json(event: str, extra: dict[str, object]) -> None:
    assert set(line("%s", event, **extra)) == OWN | set(extra)
