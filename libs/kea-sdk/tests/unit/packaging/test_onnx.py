from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from kea_openapi.signature import Datatype, Method, Signature, TensorType
from kea_sdk import PackagingError
from kea_sdk.packaging.build import build
from kea_sdk.packaging.package import PackageOptions
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

NOTHING = PackageOptions()


def graph(*, shape: tuple[Any, ...] = ("batch", 2), operator: str = "Add", kind: int = TensorProto.FLOAT) -> Any:
    """Returns a graph of two inputs and one output."""
    names = {name: helper.make_tensor_value_info(name, kind, shape) for name in ("a", "b", "sum")}
    node = helper.make_node(operator, ["a", "b"], ["sum"])
    made = helper.make_graph([node], "adds", [names["a"], names["b"]], [names["sum"]], doc_string="Adds.")
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def predict(signature: Signature | None) -> Method:
    assert signature is not None
    return signature.methods[0]


def test_a_graph_carries_its_own_types() -> None:
    found = build(graph(), NOTHING)
    assert (found.framework, found.entrypoint, list(found.files)) == ("onnx", "model.onnx", ["model.onnx"])
    method = predict(found.signature)
    assert [(field.name, field.tensor) for field in (*method.inputs, *method.outputs)] == [
        ("a", TensorType(Datatype.FP32, (-1, 2))),
        ("b", TensorType(Datatype.FP32, (-1, 2))),
        ("sum", TensorType(Datatype.FP32, (-1, 2))),
    ]
    assert (method.name, method.description) == ("predict", "Adds.")
    assert [line.partition("==")[0] for line in found.requirements if line.startswith(("numpy", "onnxr"))] == [
        "numpy",
        "onnxruntime",
    ]


def test_without_example_one_of_zeros_is_made_and_with_one_it_is_run() -> None:
    made = predict(build(graph(), NOTHING).signature).example
    assert made is not None
    assert (made.inputs["a"], made.outputs) == ([[0.0, 0.0]], {"sum": [[0.0, 0.0]]})
    given = predict(build(graph(), PackageOptions(example={"a": [[1, 2]], "b": np.ones((1, 2))})).signature).example
    assert given is not None
    assert given.outputs == {"sum": [[2.0, 3.0]]}


def test_an_example_as_large_as_an_image_is_not_kept() -> None:
    found = build(graph(shape=(1, 3, 224, 224)), NOTHING)
    assert predict(found.signature).example is None
    assert predict(found.signature).inputs[0].tensor == TensorType(Datatype.FP32, (1, 3, 224, 224))


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ([[1.0, 2.0]], "the graph has several inputs; the example must be a mapping with a, b"),
        ({"a": [[1, 2]]}, "the example lacks b"),
        ({"a": [["x", "y"]], "b": [[1, 2]]}, "the example does not fit the graph"),
        ({"a": [[1, 2, 3]], "b": [[1, 2]]}, "the graph cannot be run on the example"),
    ],
)
def test_an_example_that_does_not_fit_is_said(example: Any, problem: str) -> None:
    with pytest.raises(PackagingError, match=problem) as caught:
        build(graph(), PackageOptions(example=example))
    assert "\n" not in str(caught.value)


def test_a_converted_classifier_gives_labels_and_maps() -> None:
    rows = np.array([[0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    model = to_onnx(LogisticRegression().fit(rows, [0, 1]), rows[:1])
    method = predict(build(model, PackageOptions(example=rows)).signature)
    labels, maps = method.outputs
    assert labels.tensor == TensorType(Datatype.INT64, (-1,))
    assert maps.json_schema == {
        "type": "array",
        "items": {"type": "object", "additionalProperties": {"type": "number"}},
    }
    assert method.example is not None
    assert method.example.inputs == {"X": [[0.0, 1.0], [1.0, 0.0]]}


def test_types_that_cannot_be_described_are_named() -> None:
    optional = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [2]))
    node = helper.make_node("SequenceConstruct", ["a"], ["all"])
    tensor = helper.make_tensor_value_info("a", TensorProto.FLOAT, [2])
    made = helper.make_graph([node], "g", [tensor], [helper.make_value_info("all", optional)])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    found = build(model, NOTHING)
    assert found.signature is not None
    assert found.signature.incomplete == ("methods.predict.outputs.all: of a type that cannot be described",)


def test_a_file_is_pushed_with_the_weights_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "adds.onnx"
    onnx.save(graph(), path)
    (tmp_path / "adds.onnx.data").write_bytes(b"weights")
    found = build(path, NOTHING)
    assert found.entrypoint == "adds.onnx"
    assert set(found.files) == {"adds.onnx", "adds.onnx.data"}


def test_a_file_that_is_no_graph_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(PackagingError, match=r"broken\.onnx cannot be run by onnxruntime: ") as caught:
        build(tmp_path / "broken.onnx", NOTHING)
    assert "\n" not in str(caught.value)


def test_a_graph_whose_signature_is_given_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    given = Signature((Method("predict", (), ()),), "predict")
    assert build(tmp_path / "broken.onnx", PackageOptions(signature=given)).signature == given
