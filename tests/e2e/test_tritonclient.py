"""An unmodified tritonclient, both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from platforms import RunningPlatform
from tritonclient.utils import InferenceServerException

Array = npt.NDArray[Any]
FLOWERS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], dtype=np.float64)


def output_of(result: triton_http.InferResult | triton_grpc.InferResult | None, name: str) -> Array:
    """Returns an output that must be there."""
    assert result is not None
    array = result.as_numpy(name)
    assert array is not None
    return array


def test_http_gets_metadata_and_infers_in_binary_and_json(iris: RunningPlatform) -> None:
    with triton_http.InferenceServerClient(f"127.0.0.1:{iris.port}") as client:
        assert client.is_server_live(headers=iris.headers)
        assert client.is_server_ready(headers=iris.headers)
        assert client.is_model_ready("iris", headers=iris.headers)
        assert client.get_server_metadata(headers=iris.headers)["name"] == "kea"
        metadata = client.get_model_metadata("iris", headers=iris.headers)
        assert metadata["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}]
        for binary in (True, False):
            tensor = triton_http.InferInput("input", FLOWERS.shape, "FP64")
            tensor.set_data_from_numpy(FLOWERS, binary_data=binary)
            output = triton_http.InferRequestedOutput("output", binary_data=binary)
            result = client.infer("iris", [tensor], outputs=[output], headers=iris.headers)
            assert output_of(result, "output").tolist() == [0, 2]


def test_http_calls_another_method_and_a_version(iris: RunningPlatform) -> None:
    with triton_http.InferenceServerClient(f"127.0.0.1:{iris.port}") as client:
        tensor = triton_http.InferInput("input", FLOWERS.shape, "FP64")
        tensor.set_data_from_numpy(FLOWERS)
        result = client.infer("iris.predict_proba", [tensor], headers=iris.headers)
        assert output_of(result, "probabilities").shape == (2, 3)
        (version,) = client.get_model_metadata("iris", headers=iris.headers)["versions"]
        result = client.infer("iris", [tensor], model_version=version, headers=iris.headers)
        assert output_of(result, "output").shape == (2,)
        with pytest.raises(InferenceServerException, match="version"):
            client.infer("iris", [tensor], model_version="99", headers=iris.headers)


def test_grpc_gets_metadata_and_infers(iris: RunningPlatform) -> None:
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{iris.port}") as client:
        assert client.is_server_live(headers=iris.headers)
        assert client.is_server_ready(headers=iris.headers)
        assert client.is_model_ready("iris", headers=iris.headers)
        metadata = client.get_model_metadata("iris", headers=iris.headers)
        assert metadata is not None
        assert [(entry.name, entry.datatype, list(entry.shape)) for entry in metadata.inputs] == [
            ("input", "FP64", [-1, 4])
        ]
        tensor = triton_grpc.InferInput("input", FLOWERS.shape, "FP64")
        tensor.set_data_from_numpy(FLOWERS)
        result = client.infer("iris", [tensor], headers=iris.headers)
        assert output_of(result, "output").tolist() == [0, 2]


def test_grpc_tells_an_unknown_model_a_missing_token_and_a_wrong_shape(iris: RunningPlatform) -> None:
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{iris.port}") as client:
        tensor = triton_grpc.InferInput("input", [1, 3], "FP64")
        tensor.set_data_from_numpy(np.zeros((1, 3)))
        for model, headers, status in (
            ("nobody", iris.headers, "NOT_FOUND"),
            ("iris", {}, "UNAUTHENTICATED"),
            ("iris", {"authorization": "Bearer nonsense"}, "UNAUTHENTICATED"),
            ("iris", iris.headers, "INVALID_ARGUMENT"),
        ):
            with pytest.raises(InferenceServerException) as caught:
                client.infer(model, [tensor], headers=headers)
            assert status in str(caught.value.status()), (model, caught.value)
