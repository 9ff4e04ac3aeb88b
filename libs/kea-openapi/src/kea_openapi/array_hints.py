"""Hints of numpy arrays: element type and shape, as far as hints and docs tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import griffe

from kea_openapi.signature import Datatype, TensorType
from kea_openapi.source_modules import parse_hint

Hint = griffe.Expr | str | None
Scope = griffe.Module | griffe.Class

NUMPY: Mapping[str, Datatype] = {
    "bool": Datatype.BOOL,
    "bool_": Datatype.BOOL,
    **{f"{sign}int{bits}": Datatype(f"{sign.upper()}INT{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "int_": Datatype.INT64,
    "float16": Datatype.FP16,
    "half": Datatype.FP16,
    "float32": Datatype.FP32,
    "single": Datatype.FP32,
    "float64": Datatype.FP64,
    "double": Datatype.FP64,
    "floating": Datatype.FP64,
    "integer": Datatype.INT64,
    "str_": Datatype.BYTES,
    "bytes_": Datatype.BYTES,
    "object_": Datatype.BYTES,
}

ARRAYS = frozenset({"numpy.ndarray", "numpy.typing.NDArray", "numpy.typing.ArrayLike", "numpy.array"})
_SHAPE = re.compile(r"\bshape\s*[:=]?\s*[(\[]([^)\]]{0,200})[)\]]")


@dataclass(frozen=True, slots=True)
class ArrayHint:
    """A numpy array, as far as the hint and the docs tell."""

    datatype: Datatype | None
    shape: tuple[int, ...] | None

    @property
    def tensor(self) -> TensorType | None:
        """The tensor, where enough is known."""
        return None if self.shape is None else TensorType(self.datatype or Datatype.FP64, self.shape)


def array_hint(hint: Hint, scope: Scope, description: str) -> ArrayHint | None:
    """Returns what is known of an array's type, or None where the hint is none of an array.

    The shape comes from `np.ndarray[tuple[int, Literal[4]], …]` or from words such as `shape (n, 4)` in the docs.
    """
    known = unquoted(hint, scope)
    if not isinstance(known, griffe.ExprName | griffe.ExprAttribute | griffe.ExprSubscript):
        return None
    if known.canonical_path not in ARRAYS:
        return None
    shape = _documented_shape(description)
    if not isinstance(known, griffe.ExprSubscript):
        return ArrayHint(None, shape)
    items = arguments(known)
    if known.canonical_path == "numpy.ndarray" and len(items) > 1:
        return ArrayHint(_dtype(items[1]), _hinted_shape(items[0]) or shape)
    return ArrayHint(_dtype(items[0]), shape)


def unquoted(hint: Hint, scope: Scope) -> Hint:
    """Returns the expression that a hint written as a string stands for."""
    if isinstance(hint, str) and hint[:1] in {"'", '"'}:
        return parse_hint(hint.strip("'\""), scope)
    return hint


def arguments(hint: griffe.ExprSubscript) -> list[Hint]:
    """Returns what stands between the brackets."""
    inner = hint.slice
    return list(inner.elements) if isinstance(inner, griffe.ExprTuple) else [inner]


def _dtype(hint: Hint) -> Datatype | None:
    if isinstance(hint, griffe.ExprSubscript):  # np.dtype[np.float32]
        return _dtype(arguments(hint)[0])
    path = hint.canonical_path if isinstance(hint, griffe.ExprName | griffe.ExprAttribute) else str(hint)
    plain = {"float": Datatype.FP64, "int": Datatype.INT64, "str": Datatype.BYTES}
    return NUMPY.get(path.removeprefix("numpy.")) if path.startswith("numpy.") else plain.get(path)


def _hinted_shape(hint: Hint) -> tuple[int, ...] | None:
    if not isinstance(hint, griffe.ExprSubscript) or hint.canonical_path not in {"tuple", "typing.Tuple"}:
        return None
    items = arguments(hint)
    if any(str(item) == "..." for item in items):
        return None
    return tuple(_extent(str(item).rpartition("[")[2].rstrip("]")) for item in items)


def _documented_shape(description: str) -> tuple[int, ...] | None:
    match = _SHAPE.search(description)
    if match is None:
        return None
    return tuple(_extent(part) for part in match[1].split(",") if part.strip())


def _extent(text: str) -> int:
    return int(text) if text.strip().isdecimal() else -1
