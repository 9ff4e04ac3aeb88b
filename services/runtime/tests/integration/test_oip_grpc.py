from __future__ import annotations

import importlib
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

FLOWER = np.array([[5.1, 3.5, 1.4, 0.2]])

triton: Any = importlib.import_module("tritonclient.grpc")  # its types do not know what it returns
service_pb2: Any = importlib.import_module("tritonclient.grpc.service_pb2")
service_pb2_grpc: Any = importlib.import_module("tritonclient.grpc.service_pb2_grpc")

ECHO = {
    "b": np.array([True, False]),
    "i8": np.array([-128, 127], np.int8),
    "u64": np.array([2**64 - 1], np.uint64),
    "f16": np.array([0.5, np.nan], np.float16),
    "f32": np.array([[0.1, np.inf]], np.float32),
    "s": np.array([b"text", b"", b"longer"], object),
}


def infer_input(name: str, array: Any) -> Any:
    tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return tensor.set_data_from_numpy(array)


def test_tritonclient_sees_server_and_model(iris: Any) -> None:
    with triton.InferenceServerClient(iris.grpc) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("iris", "3")
        assert client.get_server_metadata(as_json=True)["extensions"] == ["binary_tensor_data"]
        metadata = client.get_model_metadata("iris.predict_proba", as_json=True)
        assert metadata["outputs"] == [{"name": "p", "datatype": "FP64", "shape": ["-1", "3"]}]
        with pytest.raises(InferenceServerException, match="version '9' is not served") as caught:
            client.is_model_ready("iris", "9")
        assert caught.value.status() == "StatusCode.NOT_FOUND"


def test_tritonclient_sends_and_reads_every_datatype(kitchen: Any) -> None:
    with triton.InferenceServerClient(kitchen.grpc) as client:
        inputs = [infer_input(name, array) for name, array in ECHO.items()]
        result = client.infer("kitchen.echo", inputs, request_id="7")
        response = result.get_response()
        assert (response.model_name, response.model_version, response.id) == ("kitchen.echo", "3", "7")
        for name, array in ECHO.items():
            np.testing.assert_array_equal(result.as_numpy(name), array)


def test_outputs_can_be_chosen(kitchen: Any) -> None:
    with triton.InferenceServerClient(kitchen.grpc) as client:
        inputs = [infer_input(name, array) for name, array in ECHO.items()]
        wanted = [triton.InferRequestedOutput("s"), triton.InferRequestedOutput("b")]
        response = client.infer("kitchen.echo", inputs, outputs=wanted).get_response()
        assert [output.name for output in response.outputs] == ["s", "b"]


def call(running: Any, request: Any, **metadata: str) -> tuple[Any, Any]:
    sent = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
    with grpc.insecure_channel(running.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        return stub.ModelInfer.with_call(request, metadata=sent, timeout=30)


def typed_request(model: str, **contents: tuple[str, list[int], dict[str, Any]]) -> Any:
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, (datatype, shape, content) in contents.items():
        tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
        tensor.contents.CopyFrom(service_pb2.InferTensorContents(**content))
    return request


def test_typed_contents_are_answered_typed(iris: Any) -> None:
    request = typed_request("iris", x=("FP64", [1, 4], {"fp64_contents": FLOWER[0].tolist()}))
    response, answered = call(iris, request)
    assert list(response.outputs[0].contents.int64_contents) == [0]
    assert not response.raw_output_contents
    assert ("x-kea-version", "3") in answered.trailing_metadata()


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (("FP64", [1, 4], {"fp64_contents": [1.0]}), "/inputs/0/contents: has 1 elements; expected 4"),
        (("FP64", [1, 4], {"fp32_contents": [1.0] * 4}), "not for FP64"),
        (("FP32", [1, 4], {"fp32_contents": [1.0] * 4}), "input 'x' is FP32; expected FP64"),
        (("FP64", [1, 3], {"fp64_contents": [1.0] * 3}), "has shape \\[1, 3\\]"),
        (("FP64", [-1, 4], {"fp64_contents": [1.0] * 4}), "/inputs/0/shape"),
    ],
)
def test_what_does_not_fit_is_invalid_argument(iris: Any, x: Any, text: str) -> None:
    with pytest.raises(grpc.RpcError, match=text) as caught:
        call(iris, typed_request("iris", x=x))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_raw_and_typed_contents_do_not_mix(iris: Any) -> None:
    request = typed_request("iris", x=("FP64", [1, 4], {"fp64_contents": FLOWER[0].tolist()}))
    request.raw_input_contents.append(FLOWER.tobytes())
    with pytest.raises(grpc.RpcError, match="no contents"):
        call(iris, request)


def test_raw_contents_must_have_the_right_size(iris: Any) -> None:
    request = service_pb2.ModelInferRequest(model_name="iris", raw_input_contents=[b"\0" * 31])
    request.inputs.add(name="x", datatype="FP64", shape=[1, 4])
    with pytest.raises(grpc.RpcError, match="has 31 bytes; expected 32"):
        call(iris, request)


def test_typed_calls_with_fp16_outputs_are_told_to_send_raw(kitchen: Any) -> None:
    request = typed_request("k.echo", f16=("FP16", [1], {}))
    with pytest.raises(grpc.RpcError, match="raw_input_contents"):
        call(kitchen, request)


@pytest.mark.parametrize(("name", "decided"), [("iris.predict_proba", "predict"), ("iris", "predict")])
def test_a_message_that_means_another_method_than_the_gateway_let_through_is_refused(
    iris: Any, name: str, decided: str
) -> None:
    x = ("FP64", [1, 4], {"fp64_contents": FLOWER[0].tolist()})
    with pytest.raises(grpc.RpcError, match="another method") as caught:
        call(iris, typed_request(name, x=x), x_kea_method=decided)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert call(iris, typed_request("iris.predict", x=x), x_kea_method="predict")[0].outputs
    assert call(iris, typed_request(name, x=x))[0].outputs


def test_unknown_methods_are_not_found(iris: Any) -> None:
    with pytest.raises(grpc.RpcError, match="predict, predict_proba") as caught:
        call(iris, service_pb2.ModelInferRequest(model_name="iris.nope"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_model_errors_are_internal_and_opaque(kitchen: Any) -> None:
    with pytest.raises(grpc.RpcError, match="the model failed to answer") as caught:
        call(kitchen, typed_request("k.fail", secret=("BYTES", [1], {"bytes_contents": [b"sesame"]})))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "sesame" not in str(caught.value)


def test_bytes_that_are_no_message_are_invalid_argument(iris: Any) -> None:
    with grpc.insecure_channel(iris.grpc) as channel:
        rpc = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError, match="not a valid ModelInfer message") as caught:
            rpc(b"\x0a\xff", timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_other_rpcs_are_unimplemented(iris: Any) -> None:
    with grpc.insecure_channel(iris.grpc) as channel:
        rpc = channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")
        with pytest.raises(grpc.RpcError) as caught:
            rpc(b"", timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
