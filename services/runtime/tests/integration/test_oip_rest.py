from __future__ import annotations

import importlib
import json
import struct
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

triton: Any = importlib.import_module("tritonclient.http")  # its types do not know what it returns
FLOWER = [5.1, 3.5, 1.4, 0.2]


def infer(running: Any, client: httpx.Client, document: Any, address: str = "iris", **more: Any) -> httpx.Response:
    return client.post(f"{running.url}/v2/models/{address}/infer", json=document, **more)


def x(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": FLOWER, **changes}


def test_metadata_health_and_readiness(iris: Any, client: httpx.Client) -> None:
    server = client.get(f"{iris.url}/v2").json()
    assert (server["name"], server["extensions"]) == ("kea", ["binary_tensor_data"])
    assert client.get(f"{iris.url}/v2/health/live").json() == {"live": True}
    assert client.get(f"{iris.url}/v2/health/ready").json() == {"ready": True}
    assert client.get(f"{iris.url}/v2/models/iris/versions/3/ready").json() == {"name": "iris", "ready": True}
    assert client.get(f"{iris.url}/projects/p/v2/models/iris.predict_proba").json() == {
        "name": "iris.predict_proba",
        "versions": ["3"],
        "platform": "sklearn",
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 4]}],
        "outputs": [{"name": "p", "datatype": "FP64", "shape": [-1, 3]}],
    }


@pytest.mark.parametrize("data", [FLOWER, [FLOWER]])
def test_data_may_be_flat_or_nested_and_the_id_comes_back(iris: Any, client: httpx.Client, data: Any) -> None:
    answer = infer(iris, client, {"id": "42", "inputs": [x(data=data)]})
    assert answer.json() == {
        "model_name": "iris",
        "model_version": "3",
        "id": "42",
        "outputs": [{"name": "y", "datatype": "INT64", "shape": [1], "data": [0]}],
    }
    assert answer.headers["x-kea-version"] == "3"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "/inputs: is missing"),
        ([], "expected an object"),
        ({"inputs": [x(name="z")]}, "'z' is not an input"),
        ({"inputs": [x(), x()]}, "appears twice"),
        ({"inputs": [x(datatype="FP32")]}, "/inputs/0/datatype: input 'x' is FP32; expected FP64"),
        ({"inputs": [x(shape=[1, 3])]}, "has shape [1, 3]; expected [-1, 4]"),
        ({"inputs": [x(shape=[2, 4])]}, "/inputs/0/data: has 4 elements; expected 8"),
        ({"inputs": [x(shape=[-1, 4])]}, "/inputs/0/shape"),
        ({"inputs": [x(shape="1")]}, "/inputs/0/shape"),
        ({"inputs": [x(data=["a", 1, 1, 1])]}, "/inputs/0/data/0: is a string"),
        ({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64"}]}, "/inputs/0/data: is missing"),
        ({"inputs": [x(parameters={"binary_data_size": 8})]}, "binary_data_size"),
        ({"inputs": [x()], "outputs": [{"name": "q"}]}, "'q' is not an output"),
        ({"inputs": [x()], "id": 3}, "/id: is an integer"),
        ({"inputs": [x(shape=[0, 4], data=[])]}, "has no rows"),
        ({"inputs": [x(shape=[10**18, 4])]}, "is too large"),
    ],
)
def test_what_does_not_fit_is_400_with_one_string(iris: Any, client: httpx.Client, document: Any, text: str) -> None:
    answer = infer(iris, client, document)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert text in answer.json()["error"]


def test_other_versions_and_methods_are_404(iris: Any, client: httpx.Client) -> None:
    version = client.post(f"{iris.url}/v2/models/iris/versions/2/infer", json={"inputs": [x()]})
    method = infer(iris, client, {"inputs": [x()]}, "iris.nope")
    assert (version.status_code, method.status_code) == (404, 404)
    assert "version 3 is" in version.json()["error"]
    assert "predict, predict_proba" in method.json()["error"]


def test_wrong_verbs_are_405(iris: Any, client: httpx.Client) -> None:
    answer = client.get(f"{iris.url}/v2/models/iris/infer")
    assert (answer.status_code, answer.headers["allow"], list(answer.json())) == (405, "POST", ["error"])
    assert client.post(f"{iris.url}/v2").headers["allow"] == "GET"


def binary(running: Any, client: httpx.Client, header: Any, *tails: bytes, address: str = "iris") -> httpx.Response:
    text = json.dumps(header).encode() if header is not None else b""
    headers = {"inference-header-content-length": str(len(text))}
    return client.post(f"{running.url}/v2/models/{address}/infer", content=b"".join((text, *tails)), headers=headers)


def test_binary_input_and_output(iris: Any, client: httpx.Client) -> None:
    entry = {"name": "x", "shape": [1, 4], "datatype": "FP64", "parameters": {"binary_data_size": 32}}
    header = {"inputs": [entry], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}
    answer = binary(iris, client, header, np.array(FLOWER).tobytes())
    length = int(answer.headers["inference-header-content-length"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert json.loads(answer.content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert answer.content[length:] == struct.pack("<q", 0)


def test_raw_binary_requests_are_one_tensor(iris: Any, client: httpx.Client) -> None:
    answer = binary(iris, client, None, np.array([FLOWER, FLOWER]).tobytes())
    length = int(answer.headers["inference-header-content-length"])
    assert answer.content[length:] == struct.pack("<qq", 0, 0)
    assert binary(iris, client, None, b"x" * 33).status_code == 400


@pytest.mark.parametrize(("size", "tail"), [(24, 24), (32, 31), (32, 33), (-1, 32), ("32", 32), (True, 32)])
def test_wrong_binary_sizes_are_refused(iris: Any, client: httpx.Client, size: Any, tail: int) -> None:
    entry = {"name": "x", "shape": [1, 4], "datatype": "FP64", "parameters": {"binary_data_size": size}}
    assert binary(iris, client, {"inputs": [entry]}, b"\0" * tail).status_code == 400


def test_a_wrong_header_length_is_refused(iris: Any, client: httpx.Client) -> None:
    headers = {"inference-header-content-length": "100"}
    assert infer(iris, client, {}, headers=headers).status_code == 400


ECHO = {
    "b": np.array([True, False]),
    "i8": np.array([-128, 127], np.int8),
    "u64": np.array([2**64 - 1], np.uint64),
    "f16": np.array([0.5, np.nan], np.float16),
    "f32": np.array([[0.1, np.inf]], np.float32),
    "s": np.array(["ä", "", "longer"], object),
}


@pytest.mark.parametrize("as_binary", [True, False])
def test_tritonclient_sends_and_reads_every_datatype(kitchen: Any, *, as_binary: bool) -> None:
    values = ECHO if as_binary else {**ECHO, "f32": np.array([[0.1, 1.0]], np.float32)}
    if not as_binary:
        values = {name: array for name, array in values.items() if name != "f16"}
    inputs: list[Any] = []
    for name, array in ECHO.items():
        sent = values.get(name, array)
        tensor = triton.InferInput(name, list(sent.shape), datatype(sent))
        tensor.set_data_from_numpy(sent, binary_data=as_binary or name == "f16")
        inputs.append(tensor)
    outputs = [triton.InferRequestedOutput(name, binary_data=as_binary) for name in values]
    with triton.InferenceServerClient(kitchen.http) as client:
        result = client.infer("kitchen.echo", inputs, outputs=outputs, request_id="7", model_version="3")
    for name, array in values.items():
        back = result.as_numpy(name)
        if name == "s":
            back = np.array([entry.decode() if isinstance(entry, bytes) else entry for entry in back], object)
        np.testing.assert_array_equal(back, array)


def datatype(array: Any) -> str:
    return str(np_to_triton_dtype(array.dtype))


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_tritonclient_compresses(iris: Any, algorithm: str) -> None:
    tensor = triton.InferInput("x", [1, 4], "FP64")
    tensor.set_data_from_numpy(np.array([FLOWER]))
    with triton.InferenceServerClient(iris.http) as client:
        assert client.is_server_live()
        assert client.is_model_ready("iris")
        assert not client.is_model_ready("iris", "9")
        result = client.infer("iris", [tensor], request_compression_algorithm=algorithm)
        assert result.as_numpy("y").tolist() == [0]
        tensor.set_data_from_numpy(np.array([FLOWER]), binary_data=False)
        with pytest.raises(InferenceServerException, match="not an input") as caught:
            client.infer("iris", [triton.InferInput("q", [1, 4], "FP64").set_data_from_numpy(np.array([FLOWER]))])
        assert caught.value.status() == "400"


def test_nan_needs_binary_output(kitchen: Any, client: httpx.Client) -> None:
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}
    plain = infer(kitchen, client, {"inputs": [tensor]}, "k.nan")
    assert (plain.status_code, "binary output" in plain.json()["error"]) == (500, True)
    document = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    assert infer(kitchen, client, document, "k.nan").status_code == 200


def test_json_schema_fields_are_tensors(kitchen: Any, client: httpx.Client) -> None:
    metadata = client.get(f"{kitchen.url}/v2/models/k.summarize").json()
    assert metadata["inputs"][1] == {"name": "names", "datatype": "BYTES", "shape": [1]}
    scores = {"name": "scores", "shape": [2], "datatype": "FP64", "data": [1, 2]}
    names = {"name": "names", "shape": [1], "datatype": "BYTES", "data": ['["a"]']}
    answer = infer(kitchen, client, {"inputs": [scores, names]}, "k.summarize").json()
    assert answer["outputs"] == [
        {"name": "total", "datatype": "FP64", "shape": [1], "data": [3.0]},
        {"name": "names", "datatype": "BYTES", "shape": [1], "data": ['["a"]']},
    ]
    broken = infer(kitchen, client, {"inputs": [scores, {**names, "data": ["[1]"]}]}, "k.summarize")
    assert (broken.status_code, "not of type" in broken.json()["error"]) == (400, True)
    no_json = infer(kitchen, client, {"inputs": [scores, {**names, "data": ["["]}]}, "k.summarize")
    assert (no_json.status_code, "is not JSON" in no_json.json()["error"]) == (400, True)


def test_scalars_and_integer_arrays_reach_python_as_such(kitchen: Any, client: httpx.Client) -> None:
    name = {"name": "name", "shape": [1], "datatype": "BYTES", "data": ["Eva"]}
    times = {"name": "times", "shape": [], "datatype": "INT64", "data": [2]}
    greeting = infer(kitchen, client, {"inputs": [name, times]}).json()["outputs"][0]
    assert greeting["data"] == ["hello Eva hello Eva"]
    rows = {"name": "rows", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}
    assert infer(kitchen, client, {"inputs": [rows]}, "k.matrix").json()["outputs"][0]["shape"] == [1, 2]
    half = infer(kitchen, client, {"inputs": [{**rows, "data": [1, 2.5]}]}, "k.matrix")
    assert half.status_code == 400


def test_model_errors_are_opaque(kitchen: Any, client: httpx.Client) -> None:
    tensor = {"name": "secret", "shape": [1], "datatype": "BYTES", "data": ["sesame"]}
    answer = infer(kitchen, client, {"inputs": [tensor]}, "k.fail")
    assert (answer.status_code, "sesame" in answer.text) == (500, False)
