"""Signatures of fitted scikit-learn estimators, found by calling them on an example."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from kea_openapi.signature import Datatype, Field, Method, Signature, TensorType

from kea_sdk.errors import PackagingError
from kea_sdk.packaging import arrays, columns, examples
from kea_sdk.packaging.arrays import batch_field
from kea_sdk.plain import is_finite, plain

METHODS = {
    "predict": "output",
    "predict_proba": "probabilities",
    "decision_function": "scores",
    "transform": "transformed",
}
"""Methods looked for, and what their one output is called."""

EXAMPLE_ROWS = 2
"""Rows of the example that is kept: it is there to be read."""
_MAX_CLASSES = 20


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an estimator takes, with an example of it."""

    fields: tuple[Field, ...]
    table: bool
    rows: Any
    """The example as the estimator takes it."""
    given: bool
    """Whether the user gave it."""
    incomplete: tuple[str, ...] = ()
    """What was assumed, by input."""

    def as_json(self) -> dict[str, Any] | None:
        """Returns the example by input, or None where JSON cannot carry it."""
        if self.table:
            values: dict[str, Any] = {str(name): plain(self.rows[name]) for name in self.rows.columns}
        else:
            values = {self.fields[0].name: plain(self.rows)}
        return values if is_finite(values) else None


def signature_of(estimator: Any, example: Any, extra_method: str | None = None) -> Signature:
    """Returns the signature of a fitted estimator.

    Args:
        estimator: anything with scikit-learn's interface.
        example: rows it can be called with, as array, frame, list, or a mapping by column; None: one is made.
        extra_method: a method to be looked for beside the usual ones.

    Raises:
        PackagingError: the estimator is not fitted, or cannot be called on the example.
    """
    inputs = _inputs(estimator, example)
    methods: list[Method] = []
    incomplete: list[str] = []
    failures: list[str] = []
    names = {**METHODS, **({extra_method: "output"} if extra_method and extra_method not in METHODS else {})}
    for name, output in names.items():
        if not callable(getattr(estimator, name, None)):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what the model warns of when called is not about being pushed
                result = getattr(estimator, name)(inputs.rows)
        except Exception as error:  # noqa: BLE001 - whatever the model raises, it cannot be described
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        methods.append(_method(estimator, name, output, inputs, result))
        incomplete += [f"methods.{name}.inputs.{line}" for line in inputs.incomplete]
        unknown = [field.name for field in methods[-1].outputs if field.tensor is None]
        incomplete += [f"methods.{name}.outputs.{field}: of a type that cannot be described" for field in unknown]
    if not methods:
        raise PackagingError(_problem(estimator, failures, given=inputs.given))
    incomplete += [f"methods.{line.partition(':')[0]}: left out, as it fails on the example" for line in failures]
    return Signature(tuple(methods), methods[0].name, tuple(incomplete))


def _problem(estimator: Any, failures: list[str], *, given: bool) -> str:
    kind = type(estimator).__name__
    if not failures:
        return f"{kind} has none of the methods {', '.join(METHODS)}"
    what = "the example" if given else "a made-up example"
    hint = "" if given else "; give one with `example=` (`--example`)"
    return f"{kind} cannot be called on {what} ({' '.join(failures[0].split())}){hint}"


def _inputs(estimator: Any, example: Any) -> Inputs:
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return _table(estimator, [str(name) for name in names], example)
    given = example is not None
    if example is None:
        count = getattr(estimator, "n_features_in_", None)
        if count is None:
            problem = (
                f"{type(estimator).__name__} does not tell what it takes; is it fitted? "
                "give an example with `example=` (`--example`)"
            )
            raise PackagingError(problem)
        example = np.zeros((1, int(count)))
    if isinstance(example, dict):
        example = next(iter(example.values())) if len(example) == 1 else np.column_stack(list(example.values()))
    rows = arrays.dense(example)
    if rows.ndim == 0 or not len(rows):
        problem = "the example must be a batch with at least one row"
        raise PackagingError(problem)
    rows = rows[:EXAMPLE_ROWS]
    datatype = arrays.datatype_of(rows)
    if datatype is not Datatype.BYTES:
        if datatype is None:
            problem = f"the example has elements of type {rows.dtype}; expected numbers, or text alone"
            raise PackagingError(problem)
        datatype, rows = Datatype.FP64, rows.astype(np.float64)
    field = Field("input", TensorType(datatype, (-1, *rows.shape[1:])), description="A row per sample.")
    return Inputs((field,), table=False, rows=rows, given=given)


def _table(estimator: Any, names: list[str], example: Any) -> Inputs:
    given = example is not None
    assumed: list[str] = []
    rows = columns.frame(names, example) if given else columns.made_up(estimator, names, assumed)
    rows = rows.head(EXAMPLE_ROWS)
    fields = tuple(Field(name, TensorType(columns.datatype(rows[name]), (-1,))) for name in names)
    lines = tuple(f"{name}: its type was not known and taken for FP64; push with an example" for name in assumed)
    return Inputs(fields, table=True, rows=rows, given=given, incomplete=lines)


def _method(estimator: Any, name: str, output: str, inputs: Inputs, result: Any) -> Method:
    outputs = _outputs(estimator, name, output, result)
    example = None
    shown = inputs.as_json()
    if shown is not None:
        parts = result if len(outputs) > 1 else [result]
        values = {field.name: plain(arrays.dense(part)) for field, part in zip(outputs, parts, strict=True)}
        example = examples.shown(shown, values)
    documentation = inspect.getdoc(getattr(type(estimator), name, None)) or ""
    return Method(
        name=name,
        description=documentation.partition("\n")[0],
        inputs=inputs.fields,
        outputs=outputs,
        table=inputs.table,
        example=example,
    )


def _outputs(estimator: Any, name: str, output: str, result: Any) -> tuple[Field, ...]:
    if isinstance(result, list) and result and all(isinstance(part, np.ndarray) for part in result):
        # classifiers of several targets give an array of probabilities for each
        if len(result) > 1:
            return tuple(batch_field(f"{output}_{index}", part) for index, part in enumerate(result))
        inner = batch_field(output, result[0])
        if inner.tensor is not None:
            return (Field(output, TensorType(inner.tensor.datatype, (1, *inner.tensor.shape))),)
    return (batch_field(output, result, _classes(estimator, name)),)


def _classes(estimator: Any, name: str) -> str:
    found = getattr(estimator, "classes_", None)
    if not isinstance(found, np.ndarray) or found.ndim != 1 or len(found) > _MAX_CLASSES:
        return ""
    listed = ", ".join(f"`{entry}`" for entry in found.tolist())
    match name:
        case "predict":
            return f"One of the classes {listed}."
        case "predict_proba":
            return f"A column per class, in this order: {listed}."
        case _:
            return ""
