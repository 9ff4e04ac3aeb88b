"""scikit-learn estimators, from joblib, pickle or skops files."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from kea_openapi.signature import Method

from kea_runtime.calling import Bound, Style, Values
from kea_runtime.errors import invalid
from kea_runtime.spec import Spec, SpecError

BY_ROW = frozenset(
    {
        "apply",
        "decision_function",
        "inverse_transform",
        "predict",
        "predict_log_proba",
        "predict_proba",
        "score_samples",
        "transform",
    }
)
"""Methods that scikit-learn's glossary defines sample by sample."""


def load(spec: Spec) -> Callable[[Method], Bound]:
    """Returns the binder of an estimator's methods."""
    path = spec.artifact()
    if path.suffix == ".skops":
        skops = importlib.import_module("skops.io")
        # What the archive may do was decided when it was let into this process of its own; here it is all trusted.
        estimator = skops.load(path, trusted=skops.get_untrusted_types(file=path))
    else:
        estimator = importlib.import_module("joblib").load(path)
    return lambda method: _bind(estimator, method)


def _bind(estimator: Any, method: Method) -> Bound:
    function = getattr(estimator, method.name, None)
    if not callable(function):
        message = f"{type(estimator).__name__} has no method {method.name!r}"
        raise SpecError(message)
    arrange = _arranger(method)

    def call(inputs: Values) -> Any:
        data = arrange(inputs)
        if len(data) == 0:
            raise invalid((), "has no rows", "at least one")
        return function(data)

    return Bound(call, Style.PACED, by_row=method.name in BY_ROW)


def _arranger(method: Method) -> Callable[[Values], Any]:
    """Returns what makes the estimator's one argument out of the inputs."""
    names = [field.name for field in method.inputs]
    if method.table:
        frame = importlib.import_module("pandas").DataFrame
        return lambda inputs: frame({name: inputs[name] for name in names if name in inputs})
    if len(names) == 1:
        name = names[0]
        return lambda inputs: inputs[name]
    if any(field.tensor is None or len(field.tensor.shape) != 1 for field in method.inputs):
        message = f"method {method.name!r} has several inputs: each must be a column of shape [-1]"
        raise SpecError(message)
    return lambda inputs: np.column_stack([inputs[name] for name in names])
