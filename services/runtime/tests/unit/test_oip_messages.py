"""The hand-written codec against protobuf's own."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from kea_openapi.signature import Datatype
from kea_runtime import oip_messages
from kea_runtime.protobuf_wire import WireError
from kea_runtime.tensors import DTYPES

service_pb2: Any = importlib.import_module("tritonclient.grpc.service_pb2")  # made at run time, without types

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(max_size=8)
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "bool_contents": st.lists(st.booleans()),
        "int_contents": st.lists(st.integers(-(2**31), 2**31 - 1)),
        "int64_contents": st.lists(INT64),
        "uint_contents": st.lists(st.integers(0, 2**32 - 1)),
        "uint64_contents": st.lists(st.integers(0, 2**64 - 1)),
        "fp32_contents": st.lists(st.floats(width=32, allow_nan=False)),
        "fp64_contents": st.lists(st.floats(allow_nan=False)),
        "bytes_contents": st.lists(st.binary(max_size=8)),
    },
)
TENSORS = st.builds(
    service_pb2.ModelInferRequest.InferInputTensor,
    name=NAMES,
    datatype=NAMES,
    shape=st.lists(INT64, max_size=4),
    contents=st.builds(lambda fields: service_pb2.InferTensorContents(**fields), CONTENTS),
    parameters=st.dictionaries(NAMES, st.builds(service_pb2.InferParameter, string_param=NAMES), max_size=2),
)
REQUESTS = st.builds(
    service_pb2.ModelInferRequest,
    model_name=NAMES,
    model_version=NAMES,
    id=NAMES,
    inputs=st.lists(TENSORS, max_size=3),
    outputs=st.lists(st.builds(service_pb2.ModelInferRequest.InferRequestedOutputTensor, name=NAMES), max_size=3),
    parameters=st.dictionaries(NAMES, st.builds(service_pb2.InferParameter, double_param=st.floats()), max_size=2),
    raw_input_contents=st.lists(st.binary(max_size=16), max_size=3),
)
FIELDS = (
    "bool_contents",
    "int_contents",
    "int64_contents",
    "uint_contents",
    "uint64_contents",
    "fp32_contents",
    "fp64_contents",
    "bytes_contents",
)


@given(REQUESTS)
def test_requests_are_read_as_protobuf_wrote_them(message: Any) -> None:
    request = oip_messages.read_infer_request(message.SerializeToString())
    assert (request.model_name, request.model_version, request.id) == (
        message.model_name,
        message.model_version,
        message.id,
    )
    assert request.outputs == [output.name for output in message.outputs]
    assert [bytes(raw) for raw in request.raw_input_contents] == list(message.raw_input_contents)
    assert len(request.inputs) == len(message.inputs)
    for tensor, wanted in zip(request.inputs, message.inputs, strict=True):
        assert (tensor.name, tensor.datatype, tensor.shape) == (wanted.name, wanted.datatype, list(wanted.shape))
        for number, name in enumerate(FIELDS, 1):
            values = [bytes(value) if number == 8 else value for value in tensor.contents.get(number, [])]
            assert values == list(getattr(wanted.contents, name))


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_as_protobuf_does(buffer: bytes) -> None:
    try:
        wanted = service_pb2.ModelInferRequest.FromString(buffer)
    except DecodeError:
        wanted = None
    try:
        request = oip_messages.read_infer_request(buffer)
    except WireError:
        return  # what protobuf keeps as unknown (a known field of another wire type) may be refused here
    if wanted is not None:
        assert request.model_name == wanted.model_name


@given(shape=st.lists(INT64, max_size=4), twice=st.booleans())
def test_unpacked_and_repeated_fields_add_up(shape: list[int], *, twice: bool) -> None:
    tensor = service_pb2.ModelInferRequest.InferInputTensor(shape=shape)
    part = tensor.SerializeToString() * (2 if twice else 1)
    unpacked = b"".join(b"\x18" + _varint(extent) for extent in shape)
    message = service_pb2.ModelInferRequest.InferInputTensor.FromString(part + unpacked)
    request = oip_messages.read_infer_request(b"\x2a" + _varint(len(part + unpacked)) + part + unpacked)
    assert request.inputs[0].shape == list(message.shape)


def _varint(value: int) -> bytes:
    value %= 2**64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


@pytest.mark.parametrize("datatype", list(oip_messages.CONTENTS))
@given(data=st.data())
def test_responses_are_read_by_protobuf(datatype: Datatype, data: Any) -> None:
    dtype = DTYPES[datatype]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        elements: Any = st.integers(int(limits.min), int(limits.max))
    else:
        texts = st.text(max_size=5) | st.binary(max_size=5)
        elements = {"b": st.booleans(), "f": st.floats(width=32, allow_nan=False), "O": texts}[dtype.kind]
    values = data.draw(st.lists(elements, max_size=6))
    array = np.empty(len(values), dtype)
    array[:] = values
    name = data.draw(NAMES)
    for typed in (True, False):
        raw = [] if typed else [array.tobytes() if dtype.kind != "O" else b"x"]
        tensor = oip_messages.write_tensor("y", datatype, array, typed=typed)
        buffer = oip_messages.write_infer_response(name=name, version="3", call_id="7", outputs=[tensor], raw=raw)
        message = service_pb2.ModelInferResponse.FromString(buffer)
        assert (message.model_name, message.model_version, message.id) == (name, "3", "7")
        assert (message.outputs[0].datatype, list(message.outputs[0].shape)) == (datatype.value, [len(values)])
        assert list(message.raw_output_contents) == raw
        content = getattr(message.outputs[0].contents, FIELDS[oip_messages.CONTENTS[datatype] - 1])
        wanted = [entry.encode() if isinstance(entry, str) else entry for entry in array.tolist()]
        assert list(content) == (wanted if typed else [])


def test_metadata_is_read_by_protobuf() -> None:
    tensors = [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    document = {"name": "m", "versions": ["3"], "platform": "sklearn", "inputs": tensors, "outputs": tensors}
    message = service_pb2.ModelMetadataResponse.FromString(oip_messages.write_model_metadata(document))
    assert (message.name, list(message.versions), message.platform) == ("m", ["3"], "sklearn")
    assert (message.inputs[0].datatype, list(message.outputs[0].shape)) == ("FP32", [-1, 4])
    server = {"name": "kea", "version": "1", "extensions": ["a", "b"]}
    described = service_pb2.ServerMetadataResponse.FromString(oip_messages.write_server_metadata(server))
    assert list(described.extensions) == ["a", "b"]
    assert service_pb2.ModelReadyResponse.FromString(oip_messages.write_flag(True)).ready
