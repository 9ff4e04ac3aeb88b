"""What a model takes and gives, where its manifest does not say so. Nothing is run and nothing is unpickled here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kea_openapi.signature import Datatype, Field, Method, Signature, SignatureError, TensorType

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.model_spec import ONNX, SKLEARN, ModelSpec
from kea_deployer.operator.packaging.onnx_graph import GraphError, read_graph
from kea_deployer.operator.reasons import Reason

PREDICT = "predict"
INPUT, OUTPUT = "x", "y"
_TEXT_TYPES = {"text", "string", "strings", "bytes"}


def signature_of(spec: ModelSpec, files: Mapping[str, Path], entrypoint: str) -> Signature | None:
    """Returns the signature of a model; None where the registry reads it from the source.

    Raises:
        Problem: none can be made out.
    """
    if spec.signature is not None:
        return spec.signature
    if spec.framework == ONNX:
        return _of_graph(entrypoint, files[entrypoint])
    return _of_estimator(spec.input_type) if spec.framework == SKLEARN else None


def _of_graph(entrypoint: str, path: Path) -> Signature:
    try:
        graph = read_graph(path)
        method = Method(PREDICT, graph.inputs, graph.outputs)
        places = [("inputs", field) for field in graph.inputs] + [("outputs", field) for field in graph.outputs]
        unknown = tuple(
            f"methods.{PREDICT}.{place}.{field.name}: of a type that cannot be described"
            for place, field in places
            if field.json_schema == {}
        )
        signature = Signature((method,), PREDICT, unknown)
        signature.validate()
    except (GraphError, SignatureError) as error:
        raise Problem(Reason.ARTIFACT_INVALID, f"{entrypoint} cannot be read as ONNX: {error}") from error
    return signature


def _of_estimator(input_type: str) -> Signature:
    """Returns what nearly all estimators take: rows of numbers, or of texts where the manifest says so.

    A tensor and no free JSON, because all protocols carry tensors as batches, and estimators want arrays of two
    dimensions: a wrong one is told to the caller as such. What comes out is not known, so it may be anything.
    """
    texts = input_type.lower() in _TEXT_TYPES
    tensor = TensorType(Datatype.BYTES, (-1,)) if texts else TensorType(Datatype.FP64, (-1, -1))
    taken = "texts" if texts else "rows of numbers"
    method = Method(PREDICT, (Field(INPUT, tensor=tensor),), (Field(OUTPUT, json_schema={}),))
    incomplete = (
        f"methods.{PREDICT}.inputs.{INPUT}: taken for {taken}, because spec.signature is not given",
        f"methods.{PREDICT}.outputs.{OUTPUT}: not described, because spec.signature is not given",
    )
    return Signature((method,), PREDICT, incomplete)
