"""numpy arrays as signatures have them."""

from __future__ import annotations

from typing import Any

import numpy as np
from kea_openapi.signature import Datatype, Field, TensorType

_NUMERIC = {
    "bool": Datatype.BOOL,
    "uint8": Datatype.UINT8,
    "uint16": Datatype.UINT16,
    "uint32": Datatype.UINT32,
    "uint64": Datatype.UINT64,
    "int8": Datatype.INT8,
    "int16": Datatype.INT16,
    "int32": Datatype.INT32,
    "int64": Datatype.INT64,
    "float16": Datatype.FP16,
    "float32": Datatype.FP32,
    "float64": Datatype.FP64,
}


def datatype_of(array: Any) -> Datatype | None:
    """Returns the element type, or None where the protocol has none for it; text of any width is BYTES."""
    if array.dtype.kind in "USO":
        texts = all(isinstance(entry, str | bytes) for entry in array.ravel().tolist())
        return Datatype.BYTES if texts else None
    return _NUMERIC.get(array.dtype.name)


def dense(value: Any) -> Any:
    """Returns what a model gave as an array: sparse matrices, frames and lists too."""
    return np.asarray(value.toarray() if hasattr(value, "toarray") else value)


def batch_field(name: str, value: Any, description: str = "") -> Field:
    """Returns the field that an array of a batch is: its first extent varies."""
    array = dense(value)
    datatype = datatype_of(array)
    if datatype is None or array.ndim == 0:
        return Field(name, json_schema={}, description=description)
    return Field(name, TensorType(datatype, (-1, *array.shape[1:])), description=description)
