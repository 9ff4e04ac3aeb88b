"""The messages of `inference.GRPCInferenceService`, between bytes and dataclasses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from kea_openapi.signature import Datatype

from kea_runtime import protobuf_wire as wire
from kea_runtime.tensors import Array

CONTENTS: dict[Datatype, int] = {
    Datatype.BOOL: 1,
    Datatype.INT8: 2,
    Datatype.INT16: 2,
    Datatype.INT32: 2,
    Datatype.INT64: 3,
    Datatype.UINT8: 4,
    Datatype.UINT16: 4,
    Datatype.UINT32: 4,
    Datatype.UINT64: 5,
    Datatype.FP32: 6,
    Datatype.FP64: 7,
    Datatype.BYTES: 8,
}
"""The field of InferTensorContents that holds a datatype. FP16 has none: it is raw only."""

_FLOATS = {6: (wire.FIXED32, np.dtype("<f4")), 7: (wire.FIXED64, np.dtype("<f8"))}
_BOOL, _SIGNED, _UNSIGNED, _BYTES = 1, (2, 3), (4, 5), 8


@dataclass(slots=True)
class InferTensor:
    """InferInputTensor, and its twin InferOutputTensor."""

    name: str = ""
    datatype: str = ""
    shape: list[int] = field(default_factory=list[int])
    contents: dict[int, list[Any]] = field(default_factory=dict[int, list[Any]])
    """Elements by the field of InferTensorContents that they came in."""


@dataclass(slots=True)
class ModelInferRequest:
    """A call. Parameters are read over: none changes what KEA does."""

    model_name: str = ""
    model_version: str = ""
    id: str = ""
    inputs: list[InferTensor] = field(default_factory=list[InferTensor])
    outputs: list[str] = field(default_factory=list[str])
    raw_input_contents: list[memoryview] = field(default_factory=list[memoryview])


def read_names(buffer: bytes) -> tuple[str, str]:
    """Returns the `name` and `version` of ModelReadyRequest and ModelMetadataRequest.

    Raises:
        WireError: it is no such message.
    """
    name = version = ""
    for number, _, value in wire.fields(buffer):
        if number == 1:
            name = wire.text(value)
        elif number == 2:  # noqa: PLR2004 - field numbers, here and below
            version = wire.text(value)
    return name, version


def read_infer_request(buffer: bytes) -> ModelInferRequest:
    """Returns the call.

    Raises:
        WireError: it is no ModelInferRequest.
    """
    request = ModelInferRequest()
    for number, _, value in wire.fields(buffer):
        match number:
            case 1:
                request.model_name = wire.text(value)
            case 2:
                request.model_version = wire.text(value)
            case 3:
                request.id = wire.text(value)
            case 5:
                request.inputs.append(_read_tensor(wire.data(value)))
            case 6:
                request.outputs.append(read_names(bytes(wire.data(value)))[0])
            case 7:
                request.raw_input_contents.append(wire.data(value))
            case _:
                pass
    return request


def _read_tensor(buffer: memoryview) -> InferTensor:
    tensor = InferTensor()
    for number, wire_type, value in wire.fields(buffer):
        match number:
            case 1:
                tensor.name = wire.text(value)
            case 2:
                tensor.datatype = wire.text(value)
            case 3:
                tensor.shape += map(wire.signed, wire.varints(value, wire_type))
            case 5:
                _read_contents(wire.data(value), tensor.contents)
            case _:
                pass
    return tensor


def _read_contents(buffer: memoryview, contents: dict[int, list[Any]]) -> None:
    """Adds to the contents read so far: a message field that comes twice is one message, by protobuf's rules."""
    for number, wire_type, value in wire.fields(buffer):
        elements: Iterable[Any]
        if number == _BOOL:
            elements = map(bool, wire.varints(value, wire_type))
        elif number == 2:  # noqa: PLR2004 - int32: what is above its 32 bits is cut off
            elements = (_int32(entry) for entry in wire.varints(value, wire_type))
        elif number in _SIGNED:
            elements = map(wire.signed, wire.varints(value, wire_type))
        elif number == 4:  # noqa: PLR2004 - uint32
            elements = (entry & 0xFFFFFFFF for entry in wire.varints(value, wire_type))
        elif number in _UNSIGNED:
            elements = wire.varints(value, wire_type)
        elif number in _FLOATS:
            elements = _read_floats(number, wire_type, value)
        elif number == _BYTES:
            elements = (wire.data(value),)
        else:
            continue
        contents.setdefault(number, []).extend(elements)


def _int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def _read_floats(number: int, wire_type: int, value: wire.Value) -> list[float]:
    single, dtype = _FLOATS[number]
    if isinstance(value, int):
        wire.expect(wire_type, single)
        value = memoryview(value.to_bytes(dtype.itemsize, "little"))
    if len(value) % dtype.itemsize:
        message = "packed numbers are truncated"
        raise wire.WireError(message)
    return np.frombuffer(value, dtype).tolist()


def write_infer_response(
    *, name: str, version: str, call_id: str, outputs: Iterable[bytes], raw: Iterable[bytes] = ()
) -> bytes:
    """Returns a ModelInferResponse of outputs already written."""
    parts = [wire.string(1, name), wire.string(2, version), wire.string(3, call_id)]
    parts += (wire.field(5, output) for output in outputs)
    parts += (wire.field(6, content) for content in raw)
    return b"".join(parts)


def write_tensor(name: str, datatype: Datatype, array: Array, *, typed: bool) -> bytes:
    """Returns an InferOutputTensor, with its elements when `typed`."""
    parts = [wire.string(1, name), wire.string(2, datatype.value), wire.packed(3, array.shape)]
    if typed:
        parts.append(wire.field(5, _write_contents(datatype, array)))
    return b"".join(parts)


def _write_contents(datatype: Datatype, array: Array) -> bytes:
    number = CONTENTS[datatype]
    if number in _FLOATS:
        content = np.ascontiguousarray(array, _FLOATS[number][1]).tobytes()
        return wire.field(number, content) if content else b""
    elements: list[Any] = array.ravel().tolist()
    if number == _BYTES:
        return b"".join(
            wire.field(number, element if isinstance(element, bytes) else str(element).encode()) for element in elements
        )
    return wire.packed(number, map(int, elements))


def write_flag(flag: bool) -> bytes:  # noqa: FBT001 - the message is one flag
    """Returns ServerLiveResponse, ServerReadyResponse or ModelReadyResponse."""
    return b"\x08\x01" if flag else b""


def write_server_metadata(document: Mapping[str, Any]) -> bytes:
    """Returns a ServerMetadataResponse."""
    parts = [wire.string(1, document["name"]), wire.string(2, document["version"])]
    parts += (wire.field(3, extension.encode()) for extension in document["extensions"])
    return b"".join(parts)


def write_model_metadata(document: Mapping[str, Any]) -> bytes:
    """Returns a ModelMetadataResponse."""
    parts = [wire.string(1, document["name"])]
    parts += (wire.field(2, version.encode()) for version in document["versions"])
    parts.append(wire.string(3, document["platform"]))
    for number, key in ((4, "inputs"), (5, "outputs")):
        parts += (wire.field(number, _write_tensor_metadata(tensor)) for tensor in document[key])
    return b"".join(parts)


def _write_tensor_metadata(tensor: Mapping[str, Any]) -> bytes:
    return b"".join(
        (wire.string(1, tensor["name"]), wire.string(2, tensor["datatype"]), wire.packed(3, tensor["shape"]))
    )
