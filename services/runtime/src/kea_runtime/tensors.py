"""Tensors: element types as numpy knows them, and reading them strictly from JSON.

JSON carries finite numbers only, both ways: NaN and infinity travel as binary tensors or over gRPC. A boolean is not a
number, 1.0 is not an integer, and null is neither. BYTES is text: its elements reach the model as `str`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt
from kea_openapi.signature import Datatype, TensorType

from kea_runtime.errors import MAX_VIOLATIONS, InvalidRequest, Path, Violation, invalid

Array = npt.NDArray[Any]

DTYPES: dict[Datatype, np.dtype[Any]] = {
    Datatype.BOOL: np.dtype(np.bool_),
    Datatype.UINT8: np.dtype("<u1"),
    Datatype.UINT16: np.dtype("<u2"),
    Datatype.UINT32: np.dtype("<u4"),
    Datatype.UINT64: np.dtype("<u8"),
    Datatype.INT8: np.dtype("<i1"),
    Datatype.INT16: np.dtype("<i2"),
    Datatype.INT32: np.dtype("<i4"),
    Datatype.INT64: np.dtype("<i8"),
    Datatype.FP16: np.dtype("<f2"),
    Datatype.FP32: np.dtype("<f4"),
    Datatype.FP64: np.dtype("<f8"),
    Datatype.BYTES: np.dtype(object),
}
"""Little-endian, as the wire has it."""

_ELEMENTS: dict[str, tuple[frozenset[type], str]] = {
    "b": (frozenset({bool}), "a boolean"),
    "u": (frozenset({int}), "an integer"),
    "i": (frozenset({int}), "an integer"),
    "f": (frozenset({float, int}), "a number"),
    "O": (frozenset({str}), "a string"),
}

_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def kind(value: object) -> str:
    """Returns what a JSON value is, in words."""
    return _KINDS.get(type(value), type(value).__name__)


class TensorReader:
    """Reads JSON into arrays of one tensor type. Made once per field; `read` is on the hot path.

    The passes over the data are set and iterator operations that run in C; the slow search for the offending element
    starts only when they have found that there is one.
    """

    __slots__ = ("_accepted", "_element", "_high", "_low", "_narrow", "dtype", "shape", "tensor")

    def __init__(self, tensor: TensorType) -> None:
        self.tensor = tensor
        self.dtype = DTYPES[tensor.datatype]
        self.shape = tensor.shape
        self._accepted, self._element = _ELEMENTS[self.dtype.kind]
        self._narrow = self.dtype.kind == "f" and self.dtype.itemsize < 8  # noqa: PLR2004 - double holds all of JSON
        limits = np.iinfo(self.dtype) if self.dtype.kind in "iu" else None
        self._low = None if limits is None else int(limits.min)
        self._high = None if limits is None else int(limits.max)

    def read(self, value: Any, path: Path = (), shape: Sequence[int] | None = None) -> Array:
        """Returns nested lists as an array of the declared shape, or of `shape`.

        Raises:
            InvalidRequest: with the pointers to what does not fit.
        """
        wanted = self.shape if shape is None else shape
        level: list[Any] = [value]
        actual: list[int] = []
        for extent in wanted:
            if not level:
                actual.append(max(extent, 0))
                continue
            if {*map(type, level)} != {list}:
                raise self._explain(value, path, wanted)
            lengths = {*map(len, level)}
            length = lengths.pop()
            if lengths or (extent >= 0 and length != extent):
                raise self._explain(value, path, wanted)
            actual.append(length)
            level = level[0] if len(level) == 1 else list(chain.from_iterable(level))
        array = self._convert(level)
        if array is None:
            raise self._explain(value, path, wanted)
        return array.reshape(actual)

    def read_flat(self, data: Any, shape: Sequence[int], path: Path = ()) -> Array:
        """Returns row-major data, flat or nested as `shape` says, as an array of `shape`, which fits the declared one.

        Raises:
            InvalidRequest: with the pointers to what does not fit.
        """
        if type(data) is not list or len(shape) == 1 or (data and type(data[0]) is list):
            return self.read(data, path, shape)
        check_count(len(data), shape, path)
        array = self._convert(data)
        if array is None:
            raise self._explain(data, path, (len(data),))
        return array.reshape(tuple(shape))

    def _convert(self, flat: list[Any]) -> Array | None:
        """Returns the elements as an array, or None when one of them does not fit."""
        if not self._accepted.issuperset(map(type, flat)):
            return None
        if (
            self._low is not None
            and self._high is not None
            and flat
            and (min(flat) < self._low or max(flat) > self._high)
        ):
            return None
        if not self._narrow:
            return np.array(flat, self.dtype)
        with np.errstate(over="ignore"):
            array = np.array(flat, self.dtype)
        return array if np.isfinite(array).all() else None

    def _explain(self, value: Any, path: Path, shape: Sequence[int]) -> InvalidRequest:
        lengths: dict[int, int] = {}
        found = islice(self._violations(value, path, shape, lengths), MAX_VIOLATIONS)
        return InvalidRequest(found)

    def _violations(
        self, value: Any, path: Path, shape: Sequence[int], lengths: dict[int, int], depth: int = 0
    ) -> Iterator[Violation]:
        if depth == len(shape):
            problem = self._element_problem(value)
            if problem:
                yield Violation(path, problem[0], problem[1])
            return
        if type(value) is not list:
            yield Violation(path, f"is {kind(value)}", f"an array: the shape is {list(shape)}")
            return
        extent = shape[depth] if shape[depth] >= 0 else lengths.setdefault(depth, len(value))
        if len(value) != extent:
            why = f"the shape is {list(shape)}" if shape[depth] >= 0 else "as many as its siblings have"
            yield Violation(path, f"has {len(value)} elements", f"{extent}: {why}")
            return
        for index, entry in enumerate(value):
            yield from self._violations(entry, (*path, index), shape, lengths, depth + 1)

    def _element_problem(self, value: Any) -> tuple[str, str] | None:
        name = self.tensor.datatype.value
        if type(value) not in self._accepted:
            found = f"is {kind(value)}"
            return (f"{found}: nested too deep" if type(value) is list else found), f"{self._element} ({name})"
        if self._low is not None and self._high is not None and not self._low <= value <= self._high:
            return f"{value} is out of range", f"{self._low} to {self._high} ({name})"
        if self._narrow:
            with np.errstate(over="ignore"):
                if not np.isfinite(self.dtype.type(value)):
                    return f"{value} is out of range", f"a magnitude up to {np.finfo(self.dtype).max} ({name})"
        return None


def check_count(count: int, shape: Sequence[int], path: Path) -> None:
    """Checks that there are as many elements as a shape holds.

    Raises:
        InvalidRequest: there are not.
    """
    if count != math.prod(shape):
        raise invalid(path, f"has {count} elements", f"{math.prod(shape)}, for shape {list(shape)}")


def check_shape(actual: Sequence[int], declared: Sequence[int]) -> bool:
    """Returns whether an array's extents fit a declared shape, in which -1 varies."""
    return len(actual) == len(declared) and all(want in (-1, have) for have, want in zip(actual, declared, strict=True))
