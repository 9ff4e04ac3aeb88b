"""Columns of tables that estimators were fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from kea_openapi.signature import Datatype

from kea_sdk.errors import PackagingError
from kea_sdk.packaging import arrays


def frame(names: list[str], example: Any) -> Any:
    """Returns the example as a DataFrame with these columns in this order.

    Raises:
        PackagingError: it lacks columns.
    """
    import pandas as pd

    if isinstance(example, Mapping):
        rows = pd.DataFrame({key: np.atleast_1d(value) for key, value in example.items()})
    elif isinstance(example, pd.DataFrame):
        rows = example
    elif isinstance(example, list) and example and isinstance(example[0], Mapping):
        rows = pd.DataFrame.from_records(example)
    else:
        table = np.atleast_2d(np.asarray(example, dtype=object))
        if table.shape[1] != len(names):
            problem = f"the example has {table.shape[1]} columns; the model was fitted on {len(names)}"
            raise PackagingError(problem)
        rows = pd.DataFrame(table, columns=names).infer_objects()
    missing = [name for name in names if name not in rows.columns]
    if missing:
        problem = f"the example lacks the columns {', '.join(missing)}"
        raise PackagingError(problem)
    if len(set(names)) < len(names) or not rows.columns.is_unique:
        problem = "columns share a name; a table's must differ"
        raise PackagingError(problem)
    if rows.empty:
        problem = "the example must have at least one row"
        raise PackagingError(problem)
    return rows[names]


def made_up(estimator: Any, names: list[str], assumed: list[str]) -> Any:
    """Returns one row that the estimator may take: known categories, else zero.

    Columns nothing is known of are added to `assumed`, unless all are numbers beyond doubt.
    """
    import pandas as pd

    known = _categories(estimator, names)
    if known or _has_steps(estimator):
        assumed += [name for name in names if name not in known]
    return pd.DataFrame({name: [known.get(name, 0.0)] for name in names})


def datatype(column: Any) -> Datatype:
    """Returns the element type of a column.

    Raises:
        PackagingError: the protocol has none for it.
    """
    values = column.astype(column.cat.categories.dtype) if str(column.dtype) == "category" else column
    if str(values.dtype) in {"str", "string"}:
        return Datatype.BYTES
    found = arrays.datatype_of(values.to_numpy())
    if found is None and values.dtype == object and all(isinstance(entry, str | None) for entry in values):
        return Datatype.BYTES
    if found is None:
        problem = f"column {column.name!r} is of type {column.dtype}; expected numbers, booleans or text"
        raise PackagingError(problem)
    return found


def _has_steps(estimator: Any) -> bool:
    """Returns whether it is made of others, which may take text; a single estimator takes numbers."""
    return hasattr(estimator, "steps") or hasattr(estimator, "transformers_")


def _categories(estimator: Any, names: list[str]) -> dict[str, Any]:
    """Returns a category that each encoded column is known to have."""
    steps = getattr(estimator, "steps", None)
    if steps:
        return _categories(steps[0][1], names)
    encoded = getattr(estimator, "categories_", None)
    if encoded is not None and len(encoded) == len(names):
        return {name: entries[0] for name, entries in zip(names, encoded, strict=True) if len(entries)}
    known: dict[str, Any] = {}
    for _, part, selected in getattr(estimator, "transformers_", ()):
        if isinstance(part, str) or isinstance(selected, slice):
            continue
        inner = [
            names[entry] if isinstance(entry, int | np.integer) else str(entry) for entry in np.atleast_1d(selected)
        ]
        known.update(_categories(part, inner))
    return known
