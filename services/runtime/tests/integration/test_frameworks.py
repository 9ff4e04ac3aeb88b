from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest


def load_iris() -> tuple[Any, Any]:
    datasets: Any = importlib.import_module("sklearn.datasets")
    return datasets.load_iris(return_X_y=True)


FLOWER = [5.1, 3.5, 1.4, 0.2]


def named(name: str, datatype: str, *shape: int) -> dict[str, Any]:
    return {"name": name, "tensor": {"datatype": datatype, "shape": list(shape)}}


def test_onnx(starter: Any, tmp_path: Path, client: httpx.Client) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    data, labels = load_iris()
    model = LogisticRegression(max_iter=500).fit(data, labels)
    graph: Any = to_onnx(model, data[:1].astype(np.float32), options={"zipmap": False})
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    outputs = [named("label", "INT64", -1), named("probabilities", "FP32", -1, 3)]
    inputs = [named("X", "FP32", -1, 4)]
    signature = {"default_method": "predict", "methods": [{"name": "predict", "inputs": inputs, "outputs": outputs}]}
    running = starter.start(framework="onnx", entrypoint="model.onnx", directory=str(tmp_path), signature=signature)
    answer = client.post(f"{running.url}/models/m/predict", json={"X": [FLOWER]}).json()
    assert answer["label"] == [0]
    assert answer["probabilities"][0] == pytest.approx(model.predict_proba([FLOWER])[0], abs=1e-4)


def test_skops(starter: Any, tmp_path: Path, client: httpx.Client) -> None:
    import skops.io
    from sklearn.linear_model import LinearRegression

    skops.io.dump(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]), tmp_path / "model.skops")
    method = {"name": "predict", "inputs": [named("x", "FP64", -1, 1)], "outputs": [named("y", "FP64", -1)]}
    signature = {"methods": [method]}
    running = starter.start(framework="sklearn", entrypoint="model.skops", directory=str(tmp_path), signature=signature)
    answer = client.post(f"{running.url}/models/m/predict", json={"x": [[2.0]]}).json()
    assert answer["y"] == pytest.approx([5.0])
    no_default = client.post(f"{running.url}/v1/models/m:predict", json={"instances": [[2.0]]})
    assert (no_default.status_code, "no default method" in no_default.json()["error"]) == (404, True)


def test_tables_reach_the_model_as_one_frame(starter: Any, tmp_path: Path, client: httpx.Client) -> None:
    import joblib
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"city": ["a", "b", "a", "b"], "area": [1.0, 1.0, 2.0, 2.0]})
    columns = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    model = make_pipeline(columns, LinearRegression()).fit(frame, [1.0, 11.0, 2.0, 12.0])
    joblib.dump(model, tmp_path / "model.joblib")
    inputs = [named("city", "BYTES", -1), named("area", "FP64", -1)]
    method = {"name": "predict", "table": True, "inputs": inputs, "outputs": [named("price", "FP64", -1)]}
    signature = {"default_method": "predict", "methods": [method]}
    running = starter.start(
        framework="sklearn", entrypoint="model.joblib", directory=str(tmp_path), signature=signature
    )
    typed = client.post(f"{running.url}/models/m/predict", json={"city": ["b", "a"], "area": [3, 4]})
    assert typed.json()["price"] == pytest.approx([13.0, 4.0])
    rows = [{"city": "b", "area": 3}, {"city": "a", "area": 4}]
    v1 = client.post(f"{running.url}/v1/models/m:predict", json={"instances": rows})
    assert v1.json()["predictions"] == pytest.approx([13.0, 4.0])
    tensors = [
        {"name": "city", "shape": [1, 1], "datatype": "BYTES", "data": ["b"]},
        {"name": "area", "shape": [1], "datatype": "FP64", "data": [3]},
    ]
    v2 = client.post(f"{running.url}/v2/models/m/infer", json={"inputs": tensors})
    assert v2.json()["outputs"][0]["data"] == pytest.approx([13.0])
    uneven = client.post(f"{running.url}/models/m/predict", json={"city": ["b"], "area": [3, 4]})
    assert (uneven.status_code, "different lengths" in uneven.json()["detail"]) == (400, True)
