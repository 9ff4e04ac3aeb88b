from __future__ import annotations

import gzip
import zlib
from typing import Any

import httpx
import pytest

FLOWER = [5.1, 3.5, 1.4, 0.2]


def test_a_call_answers_each_output_by_name(iris: Any, client: httpx.Client) -> None:
    answer = client.post(f"{iris.url}/models/anything/predict", json={"x": [FLOWER, [6.0, 3.0, 5.0, 1.9]]})
    assert (answer.status_code, answer.json()) == (200, {"y": [0, 2]})
    assert answer.headers["x-kea-version"] == "3"
    assert answer.headers["content-type"] == "application/json"


def test_calls_work_under_a_project(iris: Any, client: httpx.Client) -> None:
    answer = client.post(f"{iris.url}/projects/a/models/iris/predict", json={"x": [FLOWER]})
    assert answer.json() == {"y": [0]}


def test_validate_checks_without_calling(iris: Any, kitchen: Any, client: httpx.Client) -> None:
    good = client.post(f"{kitchen.url}/models/m/fail:validate", json={"secret": "x"})
    assert (good.status_code, good.json()) == (200, {"valid": True})
    bad = client.post(f"{iris.url}/models/m/predict:validate", json={"x": [[1, 2, 3, "4"]]})
    called = client.post(f"{iris.url}/models/m/predict", json={"x": [[1, 2, 3, "4"]]})
    assert bad.status_code == called.status_code == 400
    assert bad.json() == called.json()


def test_a_problem_names_every_place(iris: Any, client: httpx.Client) -> None:
    answer = client.post(f"{iris.url}/models/m/predict", json={"x": [[5.1, 3.5, 1.4, "a"], [1, 2]], "z": 1})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {key: problem[key] for key in ("type", "title", "status", "reason")} == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "reason": "INVALID_ARGUMENT",
    }
    assert problem["errors"] == [
        {"pointer": "/x/0/3", "detail": "is a string", "expected": "a number (FP64)"},
        {"pointer": "/x/1", "detail": "has 2 elements", "expected": "4: the shape is [-1, 4]"},
        {"pointer": "/z", "detail": "is not an input of this method", "expected": "one of x"},
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/x"),
        ({"x": None}, "/x"),
        ({"x": 1}, "/x"),
        ({"x": [[True, 1, 1, 1]]}, "/x/0/0"),
        ({"x": [[[1], 1, 1, 1]]}, "/x/0/0"),
        ({"x": [[None, 1, 1, 1]]}, "/x/0/0"),
        ({"x": []}, ""),
        ([], ""),
    ],
)
def test_what_does_not_fit_has_its_pointer(iris: Any, client: httpx.Client, body: Any, pointer: str) -> None:
    answer = client.post(f"{iris.url}/models/m/predict", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("body", [b"", b"{", b'{"x": NaN}', b'{"x": 1e999}', b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused_with_an_offset(iris: Any, client: httpx.Client, body: bytes) -> None:
    answer = client.post(f"{iris.url}/models/m/predict", content=body)
    assert answer.status_code == 400
    assert "offset" in answer.json()["detail"]


def test_unknown_methods_are_404_and_list_the_known(iris: Any, client: httpx.Client) -> None:
    answer = client.post(f"{iris.url}/models/m/nope", json={})
    assert (answer.status_code, answer.json()["reason"]) == (404, "METHOD_NOT_FOUND")
    assert "predict, predict_proba" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/nope", "/models", "/models/m", "/models/m/predict/more", "/projects/p"])
def test_unknown_paths_are_404(iris: Any, client: httpx.Client, path: str) -> None:
    answer = client.post(iris.url + path, json={})
    assert (answer.status_code, answer.json()["reason"]) == (404, "PATH_NOT_FOUND")


def test_other_verbs_are_405_with_allow(iris: Any, client: httpx.Client) -> None:
    answer = client.get(f"{iris.url}/models/m/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_healthz_answers(iris: Any, client: httpx.Client) -> None:
    assert client.get(f"{iris.url}/healthz").json() == {"status": "SERVING"}


def test_json_schema_violations_have_pointers(kitchen: Any, client: httpx.Client) -> None:
    answer = client.post(f"{kitchen.url}/models/m/greet", json={"name": "x" * 21, "times": 0})
    assert answer.status_code == 400
    assert [entry["pointer"] for entry in answer.json()["errors"]] == ["/name", "/times"]


def test_optional_inputs_take_pythons_defaults(kitchen: Any, client: httpx.Client) -> None:
    assert client.post(f"{kitchen.url}/models/m/greet", json={"name": "Eva"}).json() == {"greeting": "hello Eva"}
    both = client.post(f"{kitchen.url}/models/m/greet", json={"name": "Eva", "times": 2}).json()
    assert both == {"greeting": "hello Eva hello Eva"}


def test_python_methods_get_what_they_are_annotated_with(kitchen: Any, client: httpx.Client) -> None:
    summary = client.post(f"{kitchen.url}/models/m/summarize", json={"scores": [1, 2.5], "names": ["a"]})
    assert summary.json() == {"total": 3.5, "names": ["a"]}
    assert client.post(f"{kitchen.url}/models/m/add", json={"a": 1, "b": [1, 2]}).json() == {"sum": [2.0, 3.0]}
    assert client.post(f"{kitchen.url}/models/m/mood", json={"mood": "good"}).json() == {"good": True}
    refused = client.post(f"{kitchen.url}/models/m/mood", json={"mood": "bad"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/mood")


def test_every_datatype_survives_a_round_trip(kitchen: Any, client: httpx.Client) -> None:
    body = {
        "b": [True, False],
        "i8": [-128, 127],
        "u64": [2**64 - 1],
        "f16": [0.5, 65504.0],
        "f32": [[0.1, 1e38]],
        "s": ["ä", ""],
    }
    answer = client.post(f"{kitchen.url}/models/m/echo", json=body)
    assert (answer.status_code, answer.json()) == (200, body)


def test_what_a_model_raises_stays_in_the_log(kitchen: Any, client: httpx.Client) -> None:
    headers = {"x-request-id": "request-17"}
    answer = client.post(f"{kitchen.url}/models/m/fail", json={"secret": "sesame"}, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (500, "MODEL_ERROR")
    assert "sesame" not in answer.text
    assert "request-17" in answer.json()["detail"]
    logged = next(line for line in kitchen.errors() if line["request_id"] == "request-17")
    assert logged["error"] == "ValueError: the secret is sesame"


def test_results_that_break_the_signature_are_not_passed_on(kitchen: Any, client: httpx.Client) -> None:
    answer = client.post(f"{kitchen.url}/models/m/lie", json={"name": "x"})
    assert (answer.status_code, answer.json()["reason"]) == (500, "MODEL_OUTPUT_INVALID")


def test_nan_is_an_error_because_json_has_none(kitchen: Any, client: httpx.Client) -> None:
    answer = client.post(f"{kitchen.url}/models/m/nan", json={"x": [1.0]})
    assert (answer.status_code, answer.json()["reason"]) == (500, "OUTPUT_NOT_REPRESENTABLE")


def test_deep_values_are_refused(kitchen: Any, client: httpx.Client) -> None:
    def nested(depth: int) -> bytes:
        return b'{"tree":' + b'{"a":' * depth + b"{}" + b"}" * depth + b"}"

    assert client.post(f"{kitchen.url}/models/m/tree", content=nested(63)).status_code == 200
    refused = client.post(f"{kitchen.url}/models/m/tree", content=nested(64))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/tree")


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_read(iris: Any, client: httpx.Client, encoding: str, compress: Any) -> None:
    body = compress(b'{"x": [[5.1, 3.5, 1.4, 0.2]]}')
    answer = client.post(f"{iris.url}/models/m/predict", content=body, headers={"content-encoding": encoding})
    assert answer.json() == {"y": [0]}


def test_compressed_bodies_are_bounded(iris: Any, client: httpx.Client) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    answer = client.post(f"{iris.url}/models/m/predict", content=bomb, headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more"])
def test_broken_compression_is_refused(iris: Any, client: httpx.Client, body: bytes) -> None:
    answer = client.post(f"{iris.url}/models/m/predict", content=body, headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_ARGUMENT")


def test_other_encodings_are_415(iris: Any, client: httpx.Client) -> None:
    answer = client.post(f"{iris.url}/models/m/predict", content=b"x", headers={"content-encoding": "br"})
    assert answer.status_code == 415


def test_large_bodies_are_413_by_their_length_and_by_their_chunks(iris: Any, client: httpx.Client) -> None:
    whole = client.post(f"{iris.url}/models/m/predict", content=b" " * 1_000_001)
    chunked = client.post(f"{iris.url}/models/m/predict", content=(b" " * 100_000 for _ in range(11)))
    assert (whole.status_code, chunked.status_code) == (413, 413)


def test_chunked_bodies_are_read(iris: Any, client: httpx.Client) -> None:
    answer = client.post(f"{iris.url}/models/m/predict", content=iter([b'{"x": [[5.1,', b" 3.5, 1.4, 0.2]]}"]))
    assert answer.json() == {"y": [0]}
