"""Calls that are joined answer as they would alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_runtime.batching import MAX_WAITING, Batches, Waiting, join, split, together
from kea_runtime.calling import Bound, Caller, Style, Threads, Values
from kea_runtime.errors import ModelFailed, Overloaded

Model = Callable[[Values], Any]


class Doubling:
    """A model that doubles, and remembers how many rows each of its calls had; a negative number is too much for it."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, inputs: Values) -> Any:
        values = inputs["x"]
        self.rows.append(len(values))
        if (values < 0).any():
            problem = "negative"
            raise ValueError(problem)
        return values * 2


@pytest.fixture
def threads() -> Iterator[Threads]:
    pool = Threads(workers=2)
    yield pool
    pool.close()


def batches(model: Model, threads: Threads, max_rows: int = 8, style: Style = Style.PACED) -> Batches:
    return Batches("double", Caller(Bound(model, style), threads), max_rows)


def column(*values: float) -> Values:
    return {"x": np.array(values)}


async def at_once(joined: Batches, calls: Sequence[Values]) -> list[Any]:
    return await asyncio.gather(*(joined.call(inputs) for inputs in calls), return_exceptions=True)


def test_calls_that_come_together_are_one_call(threads: Threads) -> None:
    model = Doubling()
    answers = asyncio.run(at_once(batches(model, threads), [column(1), column(2, 3), column(4)]))
    assert [answer.tolist() for answer in answers] == [[2], [4, 6], [8]]
    assert model.rows == [4]


def test_a_call_alone_is_handed_over_as_it_is(threads: Threads) -> None:
    seen: list[Values] = []
    inputs = column(1)
    asyncio.run(batches(lambda given: seen.append(given) or given["x"], threads).call(inputs))
    assert seen[0] is inputs


def test_a_call_has_no_more_rows_than_allowed_but_those_of_one_caller(threads: Threads) -> None:
    model = Doubling()
    calls = [column(*range(3))] * 5 + [column(*range(20)), column()]
    answers = asyncio.run(at_once(batches(model, threads), calls))
    assert [answer.tolist() for answer in answers] == [(call["x"] * 2).tolist() for call in calls]
    assert sorted(model.rows) == [0, 3, 6, 6, 20]


def test_only_rows_of_one_shape_are_joined(threads: Threads) -> None:
    shapes: list[tuple[int, ...]] = []

    def model(inputs: Values) -> Any:
        shapes.append(inputs["x"].shape)
        return inputs["x"].sum(axis=1)

    calls = [{"x": np.ones((1, width))} for width in (2, 3, 2, 3)]
    answers = asyncio.run(at_once(batches(model, threads), calls))
    assert [answer.tolist() for answer in answers] == [[2], [3], [2], [3]]
    assert sorted(shapes) == [(2, 2), (2, 3)]


def test_inputs_of_different_names_are_not_joined(threads: Threads) -> None:
    def model(inputs: Values) -> Any:
        (name,) = inputs
        return np.full(len(inputs[name]), name == "x")

    calls = [column(1), {"y": np.array([1.0])}]
    answers = asyncio.run(at_once(batches(model, threads), calls))
    assert [answer.tolist() for answer in answers] == [[True], [False]]


def test_the_error_of_one_is_nobody_elses(threads: Threads) -> None:
    model = Doubling()
    joined = batches(model, threads)
    answers = asyncio.run(at_once(joined, [column(1), column(-1), column(3)]))
    assert [answers[0].tolist(), answers[2].tolist()] == [[2], [6]]
    assert isinstance(answers[1], ModelFailed)
    assert isinstance(answers[1].__cause__, ValueError)
    model.rows.clear()
    asyncio.run(at_once(joined, [column(1), column(2)]))
    assert model.rows == [2], "bad rows do not end the joining"


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda inputs: np.array(inputs["x"].sum()), id="a number"),
        pytest.param(lambda inputs: np.array([inputs["x"].sum()]), id="a row for all"),
        pytest.param(lambda inputs: [float(value) for value in inputs["x"]], id="a list"),
        pytest.param(lambda _inputs: {}, id="nothing"),
        pytest.param(lambda inputs: (inputs["x"], "text"), id="partly rows"),
    ],
)
def test_a_model_without_a_row_per_row_is_not_joined_again(
    model: Model, threads: Threads, capfd: pytest.CaptureFixture[str]
) -> None:
    rows: list[int] = []

    def counting(inputs: Values) -> Any:
        rows.append(len(inputs["x"]))
        return model(inputs)

    joined = batches(counting, threads)
    answers = asyncio.run(at_once(joined, [column(1), column(2)]))
    assert [str(answer) for answer in answers] == [str(model(column(1))), str(model(column(2)))]
    assert rows == [2, 1, 1]
    asyncio.run(at_once(joined, [column(1), column(2)]))
    assert rows == [2, 1, 1, 1, 1]
    assert capfd.readouterr().err.count("calls are not joined any more") == 1


def test_a_model_that_takes_one_row_only_is_not_joined_again(threads: Threads) -> None:
    def model(inputs: Values) -> Any:
        return np.array([inputs["x"].item()])

    joined = batches(model, threads)
    for _ in range(2):
        answers = asyncio.run(at_once(joined, [column(1), column(2)]))
        assert [answer.tolist() for answer in answers] == [[1], [2]]


def test_several_results_are_each_shared_out(threads: Threads) -> None:
    def model(inputs: Values) -> Any:
        return {"same": inputs["x"], "pair": [inputs["x"] + 1, inputs["x"] + 2]}

    first, second = asyncio.run(at_once(batches(model, threads), [column(1), column(2, 3)]))
    assert first["same"].tolist() == [1]
    assert [part.tolist() for part in first["pair"]] == [[2], [3]]
    assert [part.tolist() for part in second["pair"]] == [[3, 4], [4, 5]]


def test_what_waits_for_a_lane_goes_together(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    """One processor: while a call runs in its thread, the next ones gather."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0})
    model = Doubling()
    entered, go_on = threading.Event(), threading.Event()

    def slow(inputs: Values) -> Any:
        entered.set()
        assert go_on.wait(10)
        return model(inputs)

    async def scenario() -> list[Any]:
        joined = batches(slow, threads, style=Style.THREAD)
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(joined.call(column(0)))]
            await asyncio.to_thread(entered.wait, 10)
            for number in (1, 2, 3):
                calls.append(tasks.create_task(joined.call(column(number))))
                await asyncio.sleep(0)  # each in a turn of the loop of its own
            go_on.set()
        return [call.result() for call in calls]

    answers = asyncio.run(scenario())
    assert [answer.tolist() for answer in answers] == [[0], [2], [4], [6]]
    assert model.rows == [1, 3]


def test_short_calls_do_not_wait_for_long_ones(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0})
    entered, go_on = threading.Event(), threading.Event()

    def model(inputs: Values) -> Any:
        if len(inputs["x"]) > 2:
            entered.set()
            assert go_on.wait(10)
        return inputs["x"]

    async def scenario() -> Any:
        joined = batches(model, threads)
        await joined.call(column(1))  # in a thread: it has to be seen first how long such calls take
        async with asyncio.TaskGroup() as tasks:
            long = tasks.create_task(joined.call(column(*range(5))))
            await asyncio.to_thread(entered.wait, 10)
            short = await joined.call(column(2))
            assert not long.done()
            go_on.set()
        return short

    assert asyncio.run(scenario()).tolist() == [2]


def test_callers_that_have_gone_are_left_out(threads: Threads) -> None:
    model = Doubling()

    async def scenario() -> Any:
        joined = batches(model, threads)
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(joined.call(column(number))) for number in (1, 2, 3)]
            await asyncio.sleep(0)
            calls[0].cancel()
            calls[1].cancel()
        return calls[2].result()

    assert asyncio.run(scenario()).tolist() == [6]
    assert model.rows == [1]


def test_calls_beyond_the_bound_are_refused(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0})
    entered, go_on = threading.Event(), threading.Event()

    def slow(inputs: Values) -> Any:
        entered.set()
        assert go_on.wait(10)
        return inputs["x"]

    async def scenario() -> list[Any]:
        joined = batches(slow, threads, style=Style.THREAD)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(joined.call(column(0)))
            await asyncio.to_thread(entered.wait, 10)
            calls = tasks.create_task(at_once(joined, [column(number) for number in range(MAX_WAITING + 1)]))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            go_on.set()
        return calls.result()

    *answers, refused = asyncio.run(scenario())
    assert isinstance(refused, Overloaded)
    assert [answer.tolist() for answer in answers] == [[number] for number in range(MAX_WAITING)]


def test_coroutines_are_joined_too(threads: Threads) -> None:
    model = Doubling()

    async def coroutine(inputs: Values) -> Any:
        await asyncio.sleep(0)
        return model(inputs)

    answers = asyncio.run(at_once(batches(coroutine, threads, style=Style.COROUTINE), [column(1), column(2)]))
    assert [answer.tolist() for answer in answers] == [[2], [4]]
    assert model.rows == [2]


def test_nobody_waits_for_a_call_that_was_given_up(threads: Threads) -> None:
    async def coroutine(_inputs: Values) -> Any:
        raise asyncio.CancelledError

    answers = asyncio.run(at_once(batches(coroutine, threads, style=Style.COROUTINE), [column(1), column(2)]))
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 2


def waiting(rows: int) -> Waiting:
    loop = asyncio.new_event_loop()
    loop.close()
    return Waiting({"x": np.arange(rows)}, rows, loop.create_future())


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 30))
def test_what_goes_together_is_the_head_and_fits(rows: list[int], max_rows: int) -> None:
    queue = [waiting(count) for count in rows]
    members, left = together(queue, max_rows)
    assert members + left == queue
    assert len(members) == 1 or sum(member.rows for member in members) <= max_rows
    assert not left or sum(member.rows for member in members) + left[0].rows > max_rows


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_what_was_joined_comes_apart_as_it_was(rows: list[int]) -> None:
    members = [waiting(count) for count in rows]
    joined = join(members)["x"]
    for result, part_of in (
        (joined, lambda part: part),
        ({"a": joined}, lambda part: part["a"]),
        ((joined, joined), lambda part: part[1]),
    ):
        parts = split(result, rows)
        assert parts is not None
        for part, member in zip(parts, members, strict=True):
            assert np.array_equal(part_of(part), member.inputs["x"])
    assert split(joined[1:], rows) is None
