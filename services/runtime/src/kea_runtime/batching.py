"""Joining calls that wait for the model into one call of it (docs/adr/0017).

A call of scikit-learn takes 105 us with one row and 112 with sixteen, so what waits together is called together. No
call waits for company: joined is what came in one turn of the loop, or while every lane was taken.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, cast

import numpy as np

from kea_runtime.calling import Caller, Values
from kea_runtime.errors import CallError, Overloaded
from kea_runtime.failures import log_unjoinable

DEFAULT_MAX_ROWS = 64
"""Where nothing is asked for: enough to share the fixed cost of a call, and little that the first of them waits for."""

MAX_WAITING = 1024
"""Calls that may wait for a lane; further ones are refused."""

Extents = tuple[tuple[str, tuple[int, ...]], ...]
"""The shape of a row in each input that was given; only calls with the same can be joined."""


@dataclass(slots=True)
class Waiting:
    """One caller's rows, and where it waits for what the model makes of them."""

    inputs: Values
    rows: int
    answer: asyncio.Future[Any]


class Batches:
    """Calls a method of the model with the rows of several callers at once.

    A caller sees what it would see alone. A joined call that raises is repeated one by one, so that nobody gets the
    error of another's rows; and the calls of a method that turns out not to give a row per row are not joined again.

    Args:
        method: its name, for the log.
        caller: calls it.
        max_rows: most rows of a joined call. A caller's own call may have more, and stays its own.
    """

    def __init__(self, method: str, caller: Caller, max_rows: int) -> None:
        self._method = method
        self._caller = caller
        self._max_rows = max_rows
        self._waiting: dict[Extents, list[Waiting]] = {}
        self._count = 0
        # Models compute: more calls than processors at the same time would only take turns.
        self._lanes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._turns: set[asyncio.Task[None]] = set()
        self._is_due = False

    async def call(self, inputs: Values) -> Any:
        """Returns what the model makes of these rows.

        Raises:
            ModelFailed: the model raised.
            Overloaded: too many calls wait.
        """
        rows = _rows(inputs)
        if not 0 < rows < self._max_rows:
            return await self._caller.call(inputs)
        if self._count >= MAX_WAITING:
            raise Overloaded
        loop = asyncio.get_running_loop()
        waiting = Waiting(inputs, rows, loop.create_future())
        extents = tuple([(name, value.shape[1:]) for name, value in inputs.items()])
        self._waiting.setdefault(extents, []).append(waiting)
        self._count += 1
        if not self._is_due and (len(self._turns) < self._lanes or self._caller.is_inline(inputs)):
            self._begin_turn()
        return await waiting.answer

    def _begin_turn(self) -> None:
        # A task begins in the loop's next pass: by then all that has come with this call waits beside it.
        self._is_due = True
        self._turns.add(asyncio.get_running_loop().create_task(self._turn()))

    async def _turn(self) -> None:
        self._is_due = False
        members = self._take()
        try:
            if self._count and len(self._turns) < self._lanes:
                self._begin_turn()
            await self._answer(members)
        finally:
            for member in members:  # whatever happened: nobody waits for ever
                member.answer.cancel()
            self._turns.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if self._count and not self._is_due and len(self._turns) < self._lanes:
                self._begin_turn()

    def _take(self) -> list[Waiting]:
        """Takes what is called next: as much as goes together of one shape; nothing where it would need a lane more."""
        has_lane = len(self._turns) <= self._lanes  # this turn is among them
        for extents in list(self._waiting):
            queue = self._waiting.pop(extents)
            members, left = together(queue, self._max_rows)
            if members and not has_lane and not self._caller.is_inline(join(members)):
                self._waiting[extents] = queue
                continue
            self._count -= len(queue) - len(left)
            if left:
                self._waiting[extents] = left  # behind the other shapes
            if members:
                return members
        return []

    async def _answer(self, members: Sequence[Waiting]) -> None:
        if len(members) == 1:
            await self._answer_alone(members[0])
        elif members and not await self._answer_together(members):
            succeeded = [await self._answer_alone(member) for member in members]
            if all(succeeded):
                self._max_rows = 1
                log_unjoinable(self._method)

    async def _answer_together(self, members: Sequence[Waiting]) -> bool:
        """Answers all by one call; returns whether that could be done."""
        try:
            parts = split(await self._caller.call(join(members)), [member.rows for member in members])
        except Overloaded as error:
            for member in members:
                _refuse(member, error)
            return True
        except CallError:
            return False
        for member, part in zip(members, parts or (), strict=bool(parts)):
            _give(member, part)
        return parts is not None

    async def _answer_alone(self, member: Waiting) -> bool:
        try:
            _give(member, await self._caller.call(member.inputs))
        except CallError as error:
            _refuse(member, error)
            return False
        return True


def together(queue: Sequence[Waiting], max_rows: int) -> tuple[list[Waiting], list[Waiting]]:
    """Returns those at a queue's head that go into one call, and the rest, without those that have stopped waiting."""
    there = [waiting for waiting in queue if not waiting.answer.done()]
    fitting = bisect_right(list(accumulate(waiting.rows for waiting in there)), max_rows)
    return there[: max(fitting, 1)], there[max(fitting, 1) :]


def join(members: Sequence[Waiting]) -> Values:
    """Returns the inputs of all, one after the other."""
    if len(members) == 1:
        return members[0].inputs
    return {name: np.concatenate([member.inputs[name] for member in members]) for name in members[0].inputs}


def split(result: Any, rows: Sequence[int]) -> list[Any] | None:
    """Returns each caller's part of what the model gave, or None if it gave no row per row.

    Args:
        result: an array, or arrays by name or in order.
        rows: of each caller.
    """
    if isinstance(result, np.ndarray):
        bounds = [0, *accumulate(rows)]
        by_row = result.ndim > 0 and len(result) == bounds[-1]
        return [result[begin:end] for begin, end in pairwise(bounds)] if by_row else None
    if isinstance(result, Mapping):
        named = cast("Mapping[Any, Any]", result)
        parts = split(tuple(named.values()), rows)
        return None if parts is None else [dict(zip(named, part, strict=True)) for part in parts]
    if not isinstance(result, tuple | list) or not result:
        return None
    columns = [split(column, rows) for column in cast("Sequence[Any]", result)]
    return None if None in columns else list(zip(*cast("list[list[Any]]", columns), strict=True))


def _rows(inputs: Values) -> int:
    """Returns how many rows the inputs have; 0 where they differ."""
    counts = {len(value) for value in inputs.values()}
    return counts.pop() if len(counts) == 1 else 0


def _give(member: Waiting, result: Any) -> None:
    if not member.answer.done():  # its caller may have gone
        member.answer.set_result(result)


def _refuse(member: Waiting, error: CallError) -> None:
    if not member.answer.done():
        member.answer.set_exception(error)
