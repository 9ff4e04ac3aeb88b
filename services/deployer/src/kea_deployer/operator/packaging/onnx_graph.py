"""What an ONNX file says of its graph's inputs and outputs, read without loading it.

Only what is needed of onnx.proto is read, straight from the wire: the weights, which are most of a file and may be
gigabytes, are skipped where they lie. The field numbers are onnx.proto's, where they may never change.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kea_openapi.signature import Datatype, Field, TensorType

MOST_FIELDS = 1_000_000
"""Of one message; a graph has one per node and per weight."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH = 7
_GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE = 5, 11, 12, 15
_TENSOR_NAME, _SPARSE_VALUES = 8, 1
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TYPE_SEQUENCE, _TYPE_MAP = 1, 4, 5
_TENSOR_ELEMENT, _TENSOR_SHAPE = 1, 2
_SEQUENCE_ELEMENT = 1
_SHAPE_DIMENSION, _DIMENSION_VALUE = 1, 1
_ELEMENTS: Mapping[int, Datatype] = {
    1: Datatype.FP32,
    2: Datatype.UINT8,
    3: Datatype.INT8,
    4: Datatype.UINT16,
    5: Datatype.INT16,
    6: Datatype.INT32,
    7: Datatype.INT64,
    8: Datatype.BYTES,
    9: Datatype.BOOL,
    10: Datatype.FP16,
    11: Datatype.FP64,
    12: Datatype.UINT32,
    13: Datatype.UINT64,
}


class GraphError(ValueError):
    """It is no ONNX model."""


@dataclass(frozen=True, slots=True)
class Graph:
    """What goes in, and what comes out."""

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of a file, from `start` to before `end`. Places and no copies: a part may be as large as the file."""

    content: mmap.mmap
    start: int
    end: int


def read_graph(path: Path) -> Graph:
    """Reads a file.

    Raises:
        GraphError: it is no ONNX model.
    """
    if path.stat().st_size == 0:
        problem = "it is empty"
        raise GraphError(problem)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _graph(_Span(content, 0, len(content)))


def _graph(span: _Span) -> Graph:
    graph = next((value for number, value in _messages(span) if number == _MODEL_GRAPH), None)
    if graph is None:
        problem = "it has no graph"
        raise GraphError(problem)
    values: dict[int, list[Field]] = {_GRAPH_INPUT: [], _GRAPH_OUTPUT: []}
    weights: set[str] = set()
    for number, value in _messages(graph):
        if number in values:
            values[number].append(_value(value))
        elif number == _GRAPH_INITIALIZER:
            weights.add(_text(value, _TENSOR_NAME))
        elif number == _GRAPH_SPARSE:
            weights |= {_text(entry, _TENSOR_NAME) for inner, entry in _messages(value) if inner == _SPARSE_VALUES}
    # Old files list their weights among the inputs.
    inputs = tuple(field for field in values[_GRAPH_INPUT] if field.name not in weights)
    outputs = tuple(values[_GRAPH_OUTPUT])
    if not outputs:
        problem = "its graph has no outputs"
        raise GraphError(problem)
    return Graph(inputs, outputs)


def _value(span: _Span) -> Field:
    name = _text(span, _VALUE_NAME)
    kind = next((value for number, value in _messages(span) if number == _VALUE_TYPE), None)
    for number, value in _messages(kind) if kind is not None else ():
        if number == _TYPE_TENSOR:
            tensor = _tensor(value)
            if tensor is not None:
                return Field(name, tensor=tensor)
        elif number == _TYPE_SEQUENCE and _is_of_maps(value):
            # What classifiers converted from scikit-learn give, unless told otherwise.
            entries = {"type": "object", "additionalProperties": {"type": "number"}}
            return Field(name, json_schema={"type": "array", "items": entries})
    return Field(name, json_schema={})


def _tensor(span: _Span) -> TensorType | None:
    element, shape = 0, ()
    for number, value in _fields(span):
        if number == _TENSOR_ELEMENT and isinstance(value, int):
            element = value
        elif number == _TENSOR_SHAPE and not isinstance(value, int):
            shape = tuple(_extent(entry) for inner, entry in _messages(value) if inner == _SHAPE_DIMENSION)
    datatype = _ELEMENTS.get(element)
    return None if datatype is None else TensorType(datatype, shape)


def _extent(span: _Span) -> int:
    for number, value in _fields(span):
        if number == _DIMENSION_VALUE and isinstance(value, int) and value < 1 << 63:
            return value
    return -1


def _is_of_maps(sequence: _Span) -> bool:
    return any(
        inner == _TYPE_MAP
        for number, element in _messages(sequence)
        if number == _SEQUENCE_ELEMENT
        for inner, _ in _messages(element)
    )


def _text(span: _Span, wanted: int) -> str:
    found = next((value for number, value in _messages(span) if number == wanted), None)
    try:
        return "" if found is None else found.content[found.start : found.end].decode()
    except UnicodeDecodeError as error:
        problem = f"a name in it is not text: {error}"
        raise GraphError(problem) from error


def _messages(span: _Span) -> Iterator[tuple[int, _Span]]:
    """Yields number and content of the fields that have a length: messages and texts."""
    for number, value in _fields(span):
        if not isinstance(value, int):
            yield number, value


def _fields(span: _Span) -> Iterator[tuple[int, _Span | int]]:
    """Yields a message's fields, in their order."""
    at, end, content = span.start, span.end, span.content
    count = 0
    while at < end:
        count += 1
        if count > MOST_FIELDS:
            problem = f"a message in it has more than {MOST_FIELDS} fields"
            raise GraphError(problem)
        tag, at = _varint(content, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(content, at, end)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(content, at, end)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            size = end + 1
        if number == 0 or at + size > end:
            problem = "it is damaged, or no ONNX model"
            raise GraphError(problem)
        if wire == _BYTES:
            yield number, _Span(content, at, at + size)
        at += size


def _varint(content: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value, at
    problem = "it is damaged, or no ONNX model"
    raise GraphError(problem)
