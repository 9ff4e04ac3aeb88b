"""ONNX graphs: they carry their own types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kea_openapi.signature import Datatype, Example, Field, Method, Signature, TensorType

from kea_sdk.archive import Content
from kea_sdk.errors import PackagingError
from kea_sdk.packaging import examples, requirements
from kea_sdk.packaging.package import Package, PackageOptions
from kea_sdk.plain import plain

METHOD = "predict"
"""A graph has one thing it does; this is what it is called."""

_ELEMENTS: Mapping[str, tuple[Datatype, str]] = {
    "bool": (Datatype.BOOL, "bool"),
    "uint8": (Datatype.UINT8, "uint8"),
    "uint16": (Datatype.UINT16, "uint16"),
    "uint32": (Datatype.UINT32, "uint32"),
    "uint64": (Datatype.UINT64, "uint64"),
    "int8": (Datatype.INT8, "int8"),
    "int16": (Datatype.INT16, "int16"),
    "int32": (Datatype.INT32, "int32"),
    "int64": (Datatype.INT64, "int64"),
    "float16": (Datatype.FP16, "float16"),
    "float": (Datatype.FP32, "float32"),
    "double": (Datatype.FP64, "float64"),
    "string": (Datatype.BYTES, "object"),
}
_TENSOR = re.compile(r"^tensor\((\w+)\)$")
_MAPS = re.compile(r"^seq\(map\((\w+),tensor\((\w+)\)\)\)$")


def is_graph(model: Any) -> bool:
    """Returns whether it is an ONNX `ModelProto`."""
    return type(model).__name__ == "ModelProto" and hasattr(model, "graph") and hasattr(model, "SerializeToString")


def from_graph(model: Any, options: PackageOptions) -> Package:
    """Packs a graph.

    Raises:
        PackagingError: onnxruntime cannot run it.
    """
    content: bytes = model.SerializeToString()
    return _package("model.onnx", {"model.onnx": content}, content, options)


def from_file(path: Path, options: PackageOptions) -> Package:
    """Packs a graph in a file; weights in a file beside it (`model.onnx.data`, `model.onnx_data`) come along.

    Raises:
        PackagingError: onnxruntime cannot run it.
    """
    files: dict[str, Content] = {path.name: path}
    for beside in (path.with_name(f"{path.name}.data"), path.with_name(f"{path.name}_data")):
        if beside.is_file():
            files[beside.name] = beside
    return _package(path.name, files, str(path), options)


def _package(entrypoint: str, files: dict[str, Content], source: bytes | str, options: PackageOptions) -> Package:
    signature = options.signature
    if signature is None:
        session = _session(source, entrypoint)
        signature = _signature(session, options.example)
    needs = requirements.pinned(["onnxruntime", "numpy"])
    return Package(framework="onnx", entrypoint=entrypoint, files=files, signature=signature, requirements=needs)


def _session(source: bytes | str, name: str) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        problem = f"{error.name} is needed to look at {name}, and is not installed here"
        raise PackagingError(problem) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # what it would log, it raises too
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        problem = f"{name} cannot be run by onnxruntime: {' '.join(str(error).split())}"
        raise PackagingError(problem) from error


def _signature(session: Any, example: Any) -> Signature:
    inputs = tuple(_field(node) for node in session.get_inputs())
    outputs = tuple(_field(node) for node in session.get_outputs())
    call, incomplete = None, ()
    if all(field.tensor is not None for field in inputs):
        call = _example(session, inputs, outputs, example)
    unknown = [f"outputs.{field.name}" for field in outputs if field.json_schema == {}]
    unknown += [f"inputs.{field.name}" for field in inputs if field.json_schema == {}]
    incomplete = tuple(f"methods.{METHOD}.{place}: of a type that cannot be described" for place in unknown)
    description = str(session.get_modelmeta().description or session.get_modelmeta().graph_description or "")
    return Signature((Method(METHOD, inputs, outputs, description=description, example=call),), METHOD, incomplete)


def _field(node: Any) -> Field:
    found = _TENSOR.match(node.type)
    if found and found[1] in _ELEMENTS:
        shape = tuple(extent if isinstance(extent, int) and extent >= 0 else -1 for extent in node.shape)
        return Field(node.name, TensorType(_ELEMENTS[found[1]][0], shape))
    maps = _MAPS.match(node.type.replace(" ", ""))
    if maps:  # what classifiers converted from scikit-learn give, unless told otherwise
        entries = {"type": "object", "additionalProperties": {"type": "number"}}
        return Field(node.name, json_schema={"type": "array", "items": entries})
    return Field(node.name, json_schema={})


def _example(session: Any, inputs: tuple[Field, ...], outputs: tuple[Field, ...], given: Any) -> Example | None:
    arrays = _arrays(session, inputs, given)
    try:
        results = session.run(None, arrays)
    except Exception as error:
        if given is None:  # zeros are no sensible input to every graph
            return None
        problem = f"the graph cannot be run on the example: {' '.join(str(error).split())}"
        raise PackagingError(problem) from error
    shown = plain(arrays)
    values = {field.name: plain(result) for field, result in zip(outputs, results, strict=True)}
    return examples.shown(shown, values)


def _arrays(session: Any, inputs: tuple[Field, ...], given: Any) -> dict[str, Any]:
    import numpy as np

    dtypes = {node.name: _ELEMENTS[_TENSOR.sub(r"\1", node.type)][1] for node in session.get_inputs()}
    if given is None:
        made: dict[str, Any] = {}
        for field in inputs:
            shape = tuple(max(extent, 1) for extent in field.tensor.shape) if field.tensor else ()
            filler = "" if dtypes[field.name] == "object" else 0
            made[field.name] = np.full(shape, filler, dtype=dtypes[field.name])
        return made
    if not isinstance(given, Mapping):
        if len(inputs) != 1:
            names = ", ".join(field.name for field in inputs)
            problem = f"the graph has several inputs; the example must be a mapping with {names}"
            raise PackagingError(problem)
        given = {inputs[0].name: given}
    missing = [field.name for field in inputs if field.name not in given]
    if missing:
        problem = f"the example lacks {', '.join(missing)}"
        raise PackagingError(problem)
    try:
        return {field.name: np.asarray(given[field.name], dtype=dtypes[field.name]) for field in inputs}
    except (TypeError, ValueError) as error:
        problem = f"the example does not fit the graph: {error}"
        raise PackagingError(problem) from error
