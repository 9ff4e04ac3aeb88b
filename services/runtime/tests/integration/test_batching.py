"""Callers whose calls are joined, over HTTP and gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

CALLERS = 48
"""More than there are processors: the first calls of a size run in threads, and the others gather meanwhile."""

COUNTING = """
import time

import numpy as np


def with_count(rows):
    if (rows == 13.0).any():
        raise ValueError("thirteen")
    time.sleep(0.02)
    return np.column_stack([rows[:, 0], np.full(len(rows), float(len(rows)))])


class Counting:
    def transform(self, x):
        return with_count(x)
"""


def spec(directory: Path, framework: str, rows: int) -> dict[str, Any]:
    """Returns the spec of a model that gives each row back, and beside it how many rows its call had."""
    (directory / "counting.py").write_text(COUNTING)
    x = {"name": "x", "tensor": {"datatype": "FP64", "shape": [-1, 1]}}
    y = {"name": "y", "tensor": {"datatype": "FP64", "shape": [-1, 2]}}
    method = {"name": "transform", "inputs": [x], "outputs": [y], "max_batch_rows": rows}
    return {
        "framework": framework,
        "entrypoint": "counting.py:Counting" if framework == "python" else "model.joblib",
        "directory": str(directory),
        "signature": {"default_method": "transform", "methods": [method]},
    }


def save_transformer(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "counting.py").write_text(COUNTING)
    with monkeypatch.context() as patched:
        patched.syspath_prepend(str(directory))
        import counting  # pyright: ignore[reportMissingImports] - written above

        joblib.dump(FunctionTransformer(counting.with_count), directory / "model.joblib")


async def post_all(url: str, values: Sequence[float]) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=len(values))
    async with httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client:
        return await asyncio.gather(*(client.post(url, json={"x": [[value]]}) for value in values))


def rows_of(answers: Sequence[httpx.Response], values: Sequence[float]) -> list[int]:
    """Returns how many rows each caller's call had, once it is sure that each got what is its own."""
    found = [answer.json()["y"] for answer in answers]
    assert [rows[0][0] for rows in found] == list(values)
    assert all(len(rows) == 1 for rows in found)
    return [int(rows[0][1]) for rows in found]


@pytest.mark.parametrize(
    ("framework", "rows", "most"),
    [("sklearn", 0, 64), ("sklearn", 8, 8), ("sklearn", 1, 1), ("python", 0, 1), ("python", 8, 8)],
)
def test_calls_are_joined_as_far_as_the_signature_says(
    starter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str, rows: int, most: int
) -> None:
    save_transformer(tmp_path, monkeypatch)
    running = starter.start(**spec(tmp_path, framework, rows))
    values = [100.0 + number for number in range(CALLERS)]
    counts = rows_of(asyncio.run(post_all(f"{running.url}/models/m/transform", values)), values)
    assert max(counts) <= most
    assert (max(counts) > 1) == (most > 1), counts


def test_a_row_that_fails_is_the_failure_of_its_caller_alone(
    starter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_transformer(tmp_path, monkeypatch)
    running = starter.start(**spec(tmp_path, "sklearn", 0))
    values = [13.0 if number % 12 == 5 else 100.0 + number for number in range(CALLERS)]
    answers = asyncio.run(post_all(f"{running.url}/models/m/transform", values))
    assert [answer.status_code for answer in answers] == [500 if value == 13.0 else 200 for value in values]
    good = [(answer, value) for answer, value in zip(answers, values, strict=True) if value != 13.0]
    rows_of([answer for answer, _ in good], [value for _, value in good])
    assert [error["error"] for error in running.errors()] == ["ValueError: thirteen"] * values.count(13.0)


def test_grpc_and_rest_callers_are_joined(starter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tritonclient.grpc import aio as triton

    save_transformer(tmp_path, monkeypatch)
    running = starter.start(**spec(tmp_path, "sklearn", 0))
    values = [100.0 + number for number in range(CALLERS)]

    async def infer(client: Any, value: float) -> list[float]:
        given = triton.InferInput("x", [1, 1], "FP64")
        given.set_data_from_numpy(np.array([[value]]))
        return list((await client.infer("m", [given])).as_numpy("y")[0])

    async def both() -> tuple[list[httpx.Response], list[list[float]]]:
        async with triton.InferenceServerClient(running.grpc) as client, asyncio.TaskGroup() as tasks:
            rest = tasks.create_task(post_all(f"{running.url}/models/m/transform", values))
            grpc = [tasks.create_task(infer(client, -value)) for value in values]
        return rest.result(), [call.result() for call in grpc]

    rest, grpc = asyncio.run(both())
    rows_of(rest, values)
    assert [row[0] for row in grpc] == [-value for value in values]
    assert max(row[1] for row in grpc) > 1
