from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from kea_openapi.signature import Method, Signature
from kea_sdk import PackagingError
from kea_sdk.packaging.build import build
from kea_sdk.packaging.package import PackageOptions
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

ROWS = np.array([[0.0, 1.0], [1.0, 0.0]])
NOTHING = PackageOptions()
GIVEN = Signature((Method("predict", (), ()),), "predict")


@pytest.fixture
def model() -> LinearRegression:
    return LinearRegression().fit(ROWS, ROWS)


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with modules that no distribution has."""
    (tmp_path / "my_steps.py").write_text(
        "import my_numbers\nimport yaml\n\ndef double(x): return my_numbers.TWO * x\n"
    )
    (tmp_path / "my_numbers").mkdir()
    (tmp_path / "my_numbers" / "__init__.py").write_text("from .values import TWO\n")
    (tmp_path / "my_numbers" / "values.py").write_text("TWO = 2\n")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


def test_an_estimator_is_saved_with_what_it_needs(model: Any) -> None:
    found = build(model, NOTHING)
    assert (found.framework, found.entrypoint, list(found.files)) == ("sklearn", "model.joblib", ["model.joblib"])
    names = [line.partition("==")[0] for line in found.requirements]
    assert {"scikit-learn", "numpy", "scipy", "joblib"} <= set(names)
    assert names == sorted(names)
    assert "pandas" not in names


def test_skops_is_needed_where_it_saves(model: Any) -> None:
    found = build(model, PackageOptions(serializer="skops"))
    assert found.entrypoint == "model.skops"
    assert any(line.startswith("skops==") for line in found.requirements)


@pytest.mark.parametrize("name", ["m.joblib", "m.pkl", "m.pickle", "m.skops"])
def test_a_saved_estimator_is_pushed_as_it_is(tmp_path: Path, model: Any, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".skops"):
        path.write_bytes(skops.io.dumps(model))
    elif name.endswith(".joblib"):
        joblib.dump(model, path)
    else:
        path.write_bytes(pickle.dumps(model))
    found = build(str(path), NOTHING)
    assert found.entrypoint == name.replace(".pickle", ".pkl")
    assert found.files == {found.entrypoint: path}
    assert found.signature is not None
    assert found.signature.default_method == "predict"


def test_a_saved_estimator_is_not_loaded_where_its_signature_is_given(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"no pickle")
    found = build(tmp_path / "m.pkl", PackageOptions(signature=GIVEN))
    assert found.signature == GIVEN
    assert any(line.startswith("scikit-learn==") for line in found.requirements)


def test_what_cannot_be_loaded_or_is_something_else_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.pkl").write_bytes(b"no\npickle")
    (tmp_path / "dict.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(PackagingError, match=r"broken\.pkl cannot be loaded here: \w+: .+") as caught:
        build(tmp_path / "broken.pkl", NOTHING)
    assert "\n" not in str(caught.value)
    with pytest.raises(PackagingError, match=r"dict\.pkl has a dict; expected a scikit-learn estimator"):
        build(tmp_path / "dict.pkl", NOTHING)


def test_what_cannot_be_saved_is_said(model: Any) -> None:
    model.open_file = sys.stdout.buffer
    model.generator = (number for number in range(3))
    with pytest.raises(PackagingError, match="LinearRegression cannot be saved"):
        build(model, NOTHING)


def test_modules_that_exist_only_here_travel_with_what_they_import(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(local))
    import my_steps  # pyright: ignore[reportMissingImports]

    pipeline = make_pipeline(FunctionTransformer(my_steps.double), LinearRegression()).fit(ROWS, ROWS)
    found = build(pipeline, PackageOptions(example=ROWS))
    assert sorted(found.files) == ["model.joblib", "my_numbers/__init__.py", "my_numbers/values.py", "my_steps.py"]
    assert any(line.lower().startswith("pyyaml==") for line in found.requirements)


def test_a_saved_estimator_finds_the_modules_beside_it(local: Path) -> None:
    sys.path.append(str(local))
    import my_steps  # pyright: ignore[reportMissingImports]

    pipeline = make_pipeline(FunctionTransformer(my_steps.double), LinearRegression()).fit(ROWS, ROWS)
    joblib.dump(pipeline, local / "model.joblib")
    sys.path.remove(str(local))
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]
    path = list(sys.path)
    found = build(local / "model.joblib", PackageOptions(example=ROWS))
    assert "my_steps.py" in found.files
    assert sys.path == path


def test_functions_of_the_script_that_runs_cannot_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    def double(rows: Any) -> Any:
        return 2 * rows

    double.__module__, double.__qualname__ = "__main__", "double"
    monkeypatch.setattr(sys.modules["__main__"], "double", double, raising=False)
    with pytest.raises(PackagingError, match="move them to a module of their own"):
        build(make_pipeline(FunctionTransformer(double), LinearRegression()).fit(ROWS, ROWS), NOTHING)


def test_what_the_user_says_wins(model: Any) -> None:
    found = build(model, PackageOptions(requirements=("scikit-learn",), method="predict"))
    assert found.requirements == ("scikit-learn",)
    with pytest.raises(PackagingError, match="framework 'onnx' was asked for, but this is a model of 'sklearn'"):
        build(model, PackageOptions(framework="onnx"))
    with pytest.raises(PackagingError, match="the model has no method 'nothing'; it has predict"):
        build(model, PackageOptions(method="nothing"))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.h5").touch()
    for thing, problem in (
        (7, "int is no model KEA knows; expected a fitted scikit-learn estimator"),
        (tmp_path / "gone.joblib", r"gone\.joblib is not there"),
        (tmp_path / "model.h5", r"model\.h5 is no model KEA knows; expected one of \.onnx, \.joblib"),
        (f"{tmp_path}/model.h5:Model", "is not there"),
    ):
        with pytest.raises(PackagingError, match=problem):
            build(thing, NOTHING)
