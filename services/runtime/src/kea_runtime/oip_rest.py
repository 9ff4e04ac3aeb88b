"""OIP V2 over REST, with the binary tensor extension in both directions.

FP16 is accepted and written as JSON numbers too; NaN and infinity need binary output (`kea_runtime.tensors` says why).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import unquote

import orjson
from kea_openapi.signature import Datatype

from kea_runtime import binary_tensors, oip
from kea_runtime.answers import BINARY_HEADER, Answer, Answers
from kea_runtime.bodies import parse_json, read_body
from kea_runtime.calling import Values
from kea_runtime.errors import CallError, Path, PathNotFound, VerbNotAllowed, invalid
from kea_runtime.fields import ServedField
from kea_runtime.http_connection import Request
from kea_runtime.methods import ServedMethod, ServedModel
from kea_runtime.tensors import Array, kind

_Object = dict[str, Any]


class OipRest:
    """Answers under `/v2`; errors are `{"error": text}`."""

    def __init__(self, model: ServedModel, answers: Answers, max_body_bytes: int) -> None:
        self._model = model
        self._answers = answers
        self._limit = max_body_bytes

    async def answer(self, request: Request, segments: Sequence[str]) -> Answer:
        """Answers metadata, health and inference; `segments` are those after `/v2`."""
        match segments:
            case ["models", address, "infer"]:
                return await self._infer(request, address, "")
            case ["models", address, "versions", version, "infer"]:
                return await self._infer(request, address, version)
            case _:
                document = self._described(segments)
        if request.verb != "GET":
            raise VerbNotAllowed(request.verb, "GET")
        return self._answers.json(document)

    def refuse(self, error: CallError, request_id: str) -> Answer:
        """Returns the error in this protocol's shape."""
        return self._answers.error(error, request_id)

    def _described(self, segments: Sequence[str]) -> _Object:
        match segments:
            case [] | [""]:
                return oip.server_metadata()
            case ["health", ("live" | "ready") as state]:
                return {state: True}
            case ["models", address, *rest]:
                return self._model_described(segments, unquote(address), rest)
            case _:
                raise _nowhere(segments)

    def _model_described(self, segments: Sequence[str], name: str, rest: list[str]) -> _Object:
        version = ""
        if len(rest) > 1 and rest[0] == "versions":
            version, rest = rest[1], rest[2:]
        method = self._model.addressed(name, version)
        if not rest:
            return oip.model_metadata(self._model, method, name)
        if rest == ["ready"]:
            return {"name": name, "ready": True}
        raise _nowhere(segments)

    async def _infer(self, request: Request, address: str, version: str) -> Answer:
        name = unquote(address) if "%" in address else address
        method = self._model.addressed(name, version)
        if request.verb != "POST":
            raise VerbNotAllowed(request.verb, "POST")
        body = read_body(request, self._limit)
        length = _header_length(request.header(BINARY_HEADER), len(body))
        if length == 0:
            document: _Object = {"parameters": {"binary_data_output": True}}
            inputs = _raw_input(method, body)
        else:
            view = body if length is None else memoryview(body)
            document = _object(parse_json(view if length is None else view[:length]), ())
            inputs = _inputs(method, document, memoryview(b"") if length is None else memoryview(body)[length:])
        call_id = document.get("id")
        if call_id is not None and type(call_id) is not str:
            raise invalid(("id",), f"is {kind(call_id)}", "a string")
        wanted = _wanted(method, document)
        outputs = await method.call(inputs)
        answer: _Object = {"model_name": name, "model_version": str(self._model.version)}
        if call_id is not None:
            answer["id"] = call_id
        return self._encode(answer, wanted, outputs)

    def _encode(self, answer: _Object, wanted: list[tuple[ServedField, bool]], outputs: Values) -> Answer:
        tensors: list[bytes] = []
        described: list[_Object] = []
        for field, binary in wanted:
            array = field.to_tensor(outputs[field.name])
            datatype = field.reader.tensor.datatype
            entry: _Object = {"name": field.name, "datatype": datatype.value, "shape": list(array.shape)}
            if binary:
                tensors.append(binary_tensors.encode(array, datatype))
                entry["parameters"] = {"binary_data_size": len(tensors[-1])}
            else:
                entry["data"] = field.tensor_to_json(array)
            described.append(entry)
        answer["outputs"] = described
        if not tensors:
            return self._answers.json(answer)
        return self._answers.binary(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), tensors)


def _nowhere(segments: Sequence[str]) -> PathNotFound:
    return PathNotFound("/".join(("/v2", *segments)))


def _header_length(value: str | None, size: int) -> int | None:
    """Returns how much of the body is JSON, or None when the binary extension is not used."""
    if value is None:
        return None
    if not value.isdecimal() or int(value) > size:
        raise invalid((), f"has {size} bytes and {BINARY_HEADER}: {value}", "the length of its JSON part")
    return int(value)


def _object(value: Any, path: Path) -> _Object:
    if type(value) is not dict:
        raise invalid(path, f"is {kind(value)}", "an object")
    return cast("_Object", value)


def _objects(document: _Object, key: str) -> list[_Object]:
    entries = document.get(key, [])
    if type(entries) is not list:
        raise invalid((key,), f"is {kind(entries)}", "an array")
    return [_object(entry, (key, index)) for index, entry in enumerate(cast("list[Any]", entries))]


def _text(entry: _Object, key: str, path: Path) -> str:
    value = entry.get(key)
    if type(value) is not str:
        found = "is missing" if key not in entry else f"is {kind(value)}"
        raise invalid((*path, key), found, "a string")
    return value


def _parameters(entry: _Object, path: Path) -> _Object:
    value = entry.get("parameters")
    return {} if value is None else _object(value, (*path, "parameters"))


def _inputs(method: ServedMethod, document: _Object, tail: memoryview) -> Values:
    """Returns the inputs; binary ones take their bytes from the tail, in order, until nothing is left of it."""
    if "inputs" not in document and method.inputs:
        raise invalid(("inputs",), "is missing", "an array of tensors")
    inputs = oip.TensorInputs(method)
    offset = 0
    for index, entry in enumerate(_objects(document, "inputs")):
        path: Path = ("inputs", index)
        name = _text(entry, "name", path)
        shape = oip.read_shape(entry.get("shape"), (*path, "shape"))
        size = _parameters(entry, path).get("binary_data_size")
        if size is None:
            if "data" not in entry:
                raise invalid((*path, "data"), "is missing", "data, or the parameter binary_data_size")
            read = _json_reader(entry["data"])
        else:
            if type(size) is not int or not 0 <= size <= len(tail) - offset:
                left = f"0 to {len(tail) - offset}, the bytes that are left of the body"
                raise invalid((*path, "parameters", "binary_data_size"), f"is {str(size)[:32]}", left)
            read = _binary_reader(tail[offset : offset + size])
            offset += size
        inputs.add(name, _text(entry, "datatype", path), shape, path, read)
    if offset != len(tail):
        raise invalid((), f"has {len(tail) - offset} bytes after the last tensor", "none")
    return inputs.finish()


def _json_reader(data: Any) -> oip.Read:
    def read(field: ServedField, shape: tuple[int, ...], path: Path) -> Array:
        return field.reader.read_flat(data, shape, (*path, "data"))

    return read


def _binary_reader(data: memoryview) -> oip.Read:
    def read(field: ServedField, shape: tuple[int, ...], path: Path) -> Array:
        return binary_tensors.decode(data, field.reader.tensor.datatype, shape, path)

    return read


def _raw_input(method: ServedMethod, body: bytes) -> Values:
    """Returns the only input from a body without any JSON; its one variable extent follows from the size."""
    if len(method.inputs) != 1:
        raise invalid((), f"is raw binary, but the method has {len(method.inputs)} inputs", "one input")
    field = method.inputs[0]
    tensor = field.reader.tensor
    if tensor.datatype is Datatype.BYTES:
        data: Any = [binary_tensors.text(body, ())]
        shape: tuple[int, ...] = (1,) * len(tensor.shape)
        array = field.reader.read_flat(data, (1,)).reshape(shape)
    else:
        shape = _raw_shape(tensor.shape, len(body) // field.reader.dtype.itemsize)
        array = binary_tensors.decode(body, tensor.datatype, shape)
    values = {field.name: field.from_tensor(array, ())}
    method.check(values)
    return values


def _raw_shape(declared: tuple[int, ...], elements: int) -> tuple[int, ...]:
    if declared.count(-1) > 1:
        raise invalid((), "is raw binary, but several extents of the input vary", "at most one that varies")
    fixed = math.prod(extent for extent in declared if extent >= 0)
    return tuple(elements // max(fixed, 1) if extent < 0 else extent for extent in declared)


def _wanted(method: ServedMethod, document: _Object) -> list[tuple[ServedField, bool]]:
    """Returns the outputs to answer with, and for each whether as bytes."""
    default = _parameters(document, ()).get("binary_data_output") is True
    if "outputs" not in document:
        return [(field, default) for field in method.outputs]
    entries = _objects(document, "outputs")
    names = [_text(entry, "name", ("outputs", index)) for index, entry in enumerate(entries)]
    binary = [
        _parameters(entry, ("outputs", index)).get("binary_data", default) is True
        for index, entry in enumerate(entries)
    ]
    return list(zip(oip.requested(method, names, ("outputs",)), binary or [default] * len(method.outputs), strict=True))
