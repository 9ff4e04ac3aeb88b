"""What OIP's two transports share: metadata, and tensors checked against a method's inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from kea_runtime.calling import Values
from kea_runtime.errors import Path, invalid
from kea_runtime.fields import ServedField
from kea_runtime.methods import ServedMethod, ServedModel
from kea_runtime.tensors import Array, check_shape

SERVER_NAME = "kea"
SERVER_VERSION = "0.1.0"
EXTENSIONS = ("binary_tensor_data",)

MAX_RANK = 32
MAX_ELEMENTS = 1 << 40
"""Beyond any body that is accepted, and within what array libraries multiply without overflow."""

Read = Callable[[ServedField, tuple[int, ...], Path], Array]
"""Makes the array of a field's OIP type, of a shape that fits, from wherever the data is."""


class TensorInputs:
    """Collects the tensors of one call."""

    __slots__ = ("_method", "values")

    def __init__(self, method: ServedMethod) -> None:
        self._method = method
        self.values: Values = {}

    def add(self, name: str, datatype: str, shape: Sequence[int], path: Path, read: Read) -> None:
        """Checks a tensor against the input it names, and takes it.

        Raises:
            InvalidRequest: there is no such input, it came already, or it is of another type or shape.
        """
        field = self._method.input_by_name.get(name)
        if field is None:
            violation = self._method.unknown(name, ())
            raise invalid((*path, "name"), f"{name!r} {violation.detail}", violation.expected)
        if name in self.values:
            raise invalid((*path, "name"), f"{name!r} appears twice", "each input once")
        declared = field.reader.tensor
        if datatype != declared.datatype.value:
            raise invalid((*path, "datatype"), f"input {name!r} is {datatype}", declared.datatype.value)
        fitting = _fitting(shape, declared.shape, column=self._method.table)
        if fitting is None:
            raise invalid((*path, "shape"), f"input {name!r} has shape {list(shape)}", str(list(declared.shape)))
        self.values[name] = field.from_tensor(read(field, fitting, path), path)

    def finish(self) -> Values:
        """Returns the inputs.

        Raises:
            InvalidRequest: a required one is missing.
        """
        self._method.check(self.values)
        return self.values


def _fitting(shape: Sequence[int], declared: Sequence[int], *, column: bool) -> tuple[int, ...] | None:
    """Returns the shape to read the data in, or None.

    Two spellings are taken besides the declared one: clients send scalars as `[]` or `[1]`, and columns of a table
    as `[n]` or `[n, 1]`.
    """
    if check_shape(shape, declared):
        return tuple(shape)
    if math.prod(shape) == 1 and {len(shape), len(declared)} == {0, 1} and math.prod(declared) in {1, -1}:
        return (1,) * len(declared)
    if column and len(shape) == 2 and shape[1] == 1:  # noqa: PLR2004 - rows and one column
        return (shape[0],)
    return None


def read_shape(shape: Any, path: Path) -> tuple[int, ...]:
    """Returns a shape from JSON or protobuf.

    Raises:
        InvalidRequest: it is no list of extents, or absurdly large.
    """
    if type(shape) is not list or any(type(extent) is not int or extent < 0 for extent in shape):
        raise invalid(path, "is not a shape", "an array of integers that are not negative")
    if len(shape) > MAX_RANK or math.prod(max(extent, 1) for extent in shape) > MAX_ELEMENTS:
        raise invalid(path, "is too large", f"at most {MAX_RANK} dimensions and {MAX_ELEMENTS} elements")
    return tuple(shape)


def requested(method: ServedMethod, names: Sequence[str], path: Path) -> list[ServedField]:
    """Returns the outputs a caller asked for, in that order; all of them when none is named.

    Raises:
        InvalidRequest: there is no such output.
    """
    if not names:
        return list(method.outputs)
    for index, name in enumerate(names):
        if name not in method.output_by_name:
            known = ", ".join(method.output_by_name)
            raise invalid((*path, index, "name"), f"{name!r} is not an output of this method", f"one of {known}")
    return [method.output_by_name[name] for name in names]


def model_metadata(model: ServedModel, method: ServedMethod, name: str) -> dict[str, Any]:
    """Returns the metadata of a method under the name that the caller used."""
    return {
        "name": name,
        "versions": [str(model.version)],
        "platform": model.platform,
        "inputs": [_tensor_metadata(field) for field in method.inputs],
        "outputs": [_tensor_metadata(field) for field in method.outputs],
    }


def _tensor_metadata(field: ServedField) -> dict[str, Any]:
    tensor = field.reader.tensor
    return {"name": field.name, "datatype": tensor.datatype.value, "shape": list(tensor.shape)}


def server_metadata() -> dict[str, Any]:
    """Returns the metadata of this server."""
    return {"name": SERVER_NAME, "version": SERVER_VERSION, "extensions": list(EXTENSIONS)}
