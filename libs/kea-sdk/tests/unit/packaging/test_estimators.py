from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from kea_openapi.signature import Datatype, Field, Method, Signature, TensorType
from kea_sdk import PackagingError
from kea_sdk.packaging.estimators import signature_of
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
LABELS = np.array(["left", "right", "left", "right"])
PEOPLE = pd.DataFrame({"city": ["Ulm", "Bonn", "Ulm"], "age": [30, 40, 50], "member": [True, False, True]})


def method(signature: Signature, name: str) -> Method:
    found = signature.method(name)
    assert found is not None
    return found


def tensor(field: Field) -> TensorType:
    assert field.tensor is not None
    return field.tensor


def test_a_classifier_predicts_and_tells_probabilities() -> None:
    found = signature_of(LogisticRegression().fit(ROWS, LABELS), None)
    assert [entry.name for entry in found.methods] == ["predict", "predict_proba", "decision_function"]
    assert found.default_method == "predict"
    assert found.incomplete == ()
    assert tensor(method(found, "predict").inputs[0]) == TensorType(Datatype.FP64, (-1, 2))
    output = method(found, "predict").outputs[0]
    assert (output.name, tensor(output)) == ("output", TensorType(Datatype.BYTES, (-1,)))
    assert output.description == "One of the classes `left`, `right`."
    scores = method(found, "predict_proba").outputs[0]
    assert (scores.name, tensor(scores)) == ("probabilities", TensorType(Datatype.FP64, (-1, 2)))
    assert method(found, "predict").description == "Predict class labels for samples in X."


def test_an_example_is_kept_with_what_the_model_makes_of_it() -> None:
    found = signature_of(LogisticRegression().fit(ROWS, LABELS), ROWS)
    example = method(found, "predict").example
    assert example is not None
    assert example.inputs == {"input": [[0.0, 1.0], [1.0, 0.0]]}
    assert example.outputs == {"output": ["left", "right"]}


def test_a_regressor_takes_integers_and_lists_for_numbers() -> None:
    found = signature_of(LinearRegression().fit(ROWS, ROWS), [[1, 2]])
    assert tensor(found.methods[0].inputs[0]) == TensorType(Datatype.FP64, (-1, 2))
    assert tensor(found.methods[0].outputs[0]) == TensorType(Datatype.FP64, (-1, 2))


def test_a_clusterer_transforms_too() -> None:
    found = signature_of(KMeans(2).fit(ROWS), None)
    assert [entry.name for entry in found.methods] == ["predict", "transform"]
    assert tensor(method(found, "predict").outputs[0]).datatype is Datatype.INT32


def test_a_pipeline_on_text_takes_text() -> None:
    model = make_pipeline(CountVectorizer(), LinearSVC()).fit(["good day", "bad day"], [1, 0])
    found = signature_of(model, ["good day"])
    assert tensor(found.methods[0].inputs[0]) == TensorType(Datatype.BYTES, (-1,))
    vectorizer = signature_of(CountVectorizer().fit(["good day"]), ["good day"])
    assert tensor(vectorizer.methods[0].outputs[0]) == TensorType(Datatype.INT64, (-1, 2))


def test_a_model_fitted_on_a_frame_takes_a_table_by_column() -> None:
    model = make_pipeline(
        ColumnTransformer([("city", OneHotEncoder(), ["city"]), ("rest", StandardScaler(), ["age", "member"])]),
        LogisticRegression(),
    ).fit(PEOPLE, [0, 1, 0])
    found = signature_of(model, PEOPLE)
    predict = method(found, "predict")
    assert predict.table
    assert [(field.name, tensor(field)) for field in predict.inputs] == [
        ("city", TensorType(Datatype.BYTES, (-1,))),
        ("age", TensorType(Datatype.INT64, (-1,))),
        ("member", TensorType(Datatype.BOOL, (-1,))),
    ]
    assert predict.example is not None
    assert predict.example.inputs == {"city": ["Ulm", "Bonn"], "age": [30, 40], "member": [True, False]}


@pytest.mark.parametrize(
    "example",
    [
        {"city": "Ulm", "age": 30, "extra": 1},
        [{"age": 30, "city": "Ulm"}],
        [["Ulm", 30]],
        PEOPLE,
        PEOPLE.assign(city=PEOPLE["city"].astype("category")),
    ],
    ids=["mapping", "records", "rows", "frame", "categories"],
)
def test_a_table_is_understood_however_it_is_written(example: Any) -> None:
    model = make_pipeline(
        ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough"), LinearRegression()
    ).fit(PEOPLE[["city", "age"]], [0, 1, 0])
    predict = signature_of(model, example).methods[0]
    assert [tensor(field).datatype for field in predict.inputs] == [Datatype.BYTES, Datatype.INT64]
    assert predict.table


def test_a_table_without_example_is_guessed_from_what_encoders_know_and_the_rest_is_said() -> None:
    model = make_pipeline(
        ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough"), LinearRegression()
    ).fit(PEOPLE[["city", "age"]], [0, 1, 0])
    found = signature_of(model, None)
    assert [tensor(field).datatype for field in found.methods[0].inputs] == [Datatype.BYTES, Datatype.FP64]
    assert found.incomplete == (
        "methods.predict.inputs.age: its type was not known and taken for FP64; push with an example",
    )


def test_a_single_estimator_on_a_frame_takes_numbers_beyond_doubt() -> None:
    found = signature_of(LinearRegression().fit(PEOPLE[["age"]], [0, 1, 2]), None)
    assert found.incomplete == ()


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ({"age": [1]}, "the example lacks the columns city"),
        ([[1, 2, 3]], "the example has 3 columns; the model was fitted on 2"),
        (PEOPLE.head(0), "the example must have at least one row"),
        ({"city": [b"\xff" for _ in range(1)], "age": [object()]}, "column 'age' is of type object"),
        (pd.concat([PEOPLE, PEOPLE["age"]], axis=1), "columns share a name"),
    ],
    ids=["missing", "too many", "empty", "objects", "twice"],
)
def test_a_table_that_does_not_fit_is_said(example: Any, problem: str) -> None:
    model = make_pipeline(
        ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough"), LinearRegression()
    ).fit(PEOPLE[["city", "age"]], [0, 1, 0])
    with pytest.raises(PackagingError, match=problem):
        signature_of(model, example)


def test_classifiers_of_several_targets_give_probabilities_for_each() -> None:
    model = MultiOutputClassifier(LogisticRegression()).fit(ROWS, np.array([[0, 1], [1, 0], [0, 2], [1, 1]]))
    found = method(signature_of(model, ROWS), "predict_proba")
    assert [(field.name, tensor(field).shape) for field in found.outputs] == [
        ("probabilities_0", (-1, 2)),
        ("probabilities_1", (-1, 3)),
    ]


def test_a_batch_varies_also_where_there_is_one_target_of_several() -> None:
    model = MultiOutputClassifier(LogisticRegression()).fit(ROWS, np.array([[0], [1], [0], [1]]))
    found = method(signature_of(model, ROWS), "predict_proba")
    assert tensor(found.outputs[0]) == TensorType(Datatype.FP64, (1, -1, 2))


class Lists(ClassifierMixin, BaseEstimator):
    """Gives lists, which scikit-learn's own never do."""

    n_features_in_ = 1

    def predict(self, rows: Any) -> list[str]:
        return ["text" for _ in rows]

    def transform(self, rows: Any) -> Any:
        return np.array([{"a": 1} for _ in rows], dtype=object)

    def explain(self, rows: Any) -> Any:
        return rows


def test_lists_are_described_by_what_is_in_them() -> None:
    found = signature_of(Lists(), None)
    assert tensor(method(found, "predict").outputs[0]) == TensorType(Datatype.BYTES, (-1,))
    assert method(found, "transform").outputs[0].json_schema == {}
    assert found.incomplete == ("methods.transform.outputs.transformed: of a type that cannot be described",)


def test_a_method_of_its_own_is_described_where_it_is_named() -> None:
    assert signature_of(Lists(), None, "explain").method("explain") is not None
    assert signature_of(Lists(), None).method("explain") is None


def test_an_example_may_be_sparse_or_named() -> None:
    model = LinearRegression().fit(ROWS, ROWS)
    for example in (csr_matrix(ROWS), {"input": ROWS}, {"a": [1.0], "b": [2.0]}, pd.DataFrame(ROWS)):
        assert tensor(signature_of(model, example).methods[0].inputs[0]) == TensorType(Datatype.FP64, (-1, 2))


def test_an_example_too_large_to_be_read_is_not_kept() -> None:
    wide = np.zeros((1, 3000))
    found = signature_of(LinearRegression().fit(wide, [1.0]), wide)
    assert found.methods[0].example is None


def test_a_method_that_fails_on_the_example_is_left_out_and_named() -> None:
    class Half(LinearRegression):
        def transform(self, rows: Any) -> Any:
            raise ValueError(rows)

    found = signature_of(Half().fit(ROWS, ROWS), None)
    assert [entry.name for entry in found.methods] == ["predict"]
    assert found.incomplete == ("methods.transform: left out, as it fails on the example",)


@pytest.mark.parametrize(
    ("model", "example", "problem"),
    [
        (LogisticRegression(), None, "LogisticRegression does not tell what it takes; is it fitted?"),
        (LogisticRegression(), ROWS, r"cannot be called on the example \(predict: NotFittedError"),
        (LinearRegression().fit(ROWS, ROWS), [1.0, 2.0], "Expected 2D array"),
        (LinearRegression().fit(ROWS, ROWS), 7, "the example must be a batch with at least one row"),
        (LinearRegression().fit(ROWS, ROWS), np.zeros((0, 2)), "the example must be a batch with at least one row"),
        (LinearRegression().fit(ROWS, ROWS), [[object(), 1]], "the example has elements of type object"),
        (StandardScaler().fit(ROWS).__class__.__mro__[-1](), [[1]], "object has none of the methods predict"),
        (CountVectorizer().fit(["a day"]), None, "give an example"),
    ],
    ids=["unfitted", "unfitted with example", "flat", "scalar", "empty", "objects", "no model", "text"],
)
def test_what_cannot_be_called_is_said(model: Any, example: Any, problem: str) -> None:
    with pytest.raises(PackagingError, match=problem) as caught:
        signature_of(model, example)
    assert "\n" not in str(caught.value)
