from __future__ import annotations

from typing import Any

import httpx
import pytest

FLOWER = [5.1, 3.5, 1.4, 0.2]


def predict(running: Any, client: httpx.Client, document: Any, address: str = "iris") -> httpx.Response:
    return client.post(f"{running.url}/v1/models/{address}:predict", json=document)


def test_readiness(iris: Any, client: httpx.Client) -> None:
    assert client.get(f"{iris.url}/v1/models/iris").json() == {"name": "iris", "ready": True}
    assert client.get(f"{iris.url}/v1/models/iris.nope").status_code == 404


@pytest.mark.parametrize(
    "document",
    [
        {"instances": [FLOWER, FLOWER]},
        {"instances": [{"x": FLOWER}, {"x": FLOWER}]},
        {"inputs": [FLOWER, FLOWER]},
        {"inputs": {"x": [FLOWER, FLOWER]}},
    ],
)
def test_rows_and_columns_make_one_batch(iris: Any, client: httpx.Client, document: Any) -> None:
    assert predict(iris, client, document).json() == {"predictions": [0, 0]}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "exactly one of instances and inputs"),
        ({"instances": [], "inputs": []}, "exactly one of instances and inputs"),
        ({"instances": {}}, "/instances: is an object"),
        ({"instances": [[1, 2, 3, "x"]]}, "/instances/0/3: is a string"),
        ({"instances": [{"x": FLOWER}, {"x": [1, 2, 3, "x"]}]}, "/instances/1/x/3: is a string"),
        ({"instances": [{"x": FLOWER}, FLOWER]}, "/instances/1: is an array"),
        ({"instances": [{"x": FLOWER}, {"x": FLOWER, "z": 1}]}, "/instances/1/z: is not an input"),
        ({"inputs": {"x": [[1]]}}, "/inputs/x/0: has 1 elements"),
    ],
)
def test_what_does_not_fit_is_400_with_one_string(iris: Any, client: httpx.Client, document: Any, text: str) -> None:
    answer = predict(iris, client, document)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert text in answer.json()["error"]


def test_methods_without_batches_are_called_for_each_row(kitchen: Any, client: httpx.Client) -> None:
    rows = [{"name": "A"}, {"name": "B", "times": 2}]
    answer = predict(kitchen, client, {"instances": rows}, "k.greet")
    assert answer.json() == {"predictions": ["hello A", "hello B hello B"]}
    wrong = predict(kitchen, client, {"instances": [{"name": "A"}, {"name": 3}]}, "k.greet")
    assert "/instances/1/name" in wrong.json()["error"]
    many = predict(kitchen, client, {"instances": [{"name": "A"}] * 1025}, "k.greet")
    assert (many.status_code, "takes no batches" in many.json()["error"]) == (400, True)


def test_several_outputs_come_as_an_object_per_row(kitchen: Any, client: httpx.Client) -> None:
    rows = [{"b": True, "i8": 1, "u64": 2, "f16": 1.5, "f32": [0.5], "s": "x"}] * 2
    assert predict(kitchen, client, {"instances": rows}, "k.echo").json() == {"predictions": rows}
