"""From JSON values to what a method's type hints say: the same types that the signature was read from.

`kea_openapi.type_hints` turns hints into JSON Schema without running the model; here the values that passed the schema
become instances of those very types.
"""

from __future__ import annotations

import base64
import collections
import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import re
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

Convert = Callable[[Any], Any]
"""Returns the converted value; raises ValueError or ArithmeticError where there is none."""

_DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_CONTAINERS: Mapping[Any, Convert] = {
    **dict.fromkeys((set, collections.abc.Set, collections.abc.MutableSet), set),
    frozenset: frozenset,
    collections.deque: collections.deque,
}
_UNION = (typing.Union, types.UnionType)
_JSON_TYPES: Mapping[type, tuple[type, ...]] = {
    type(None): (type(None),),
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
    list: (list,),
    dict: (dict,),
}


def duration(text: str) -> dt.timedelta:
    """Returns an ISO 8601 duration without years and months, which have no fixed length.

    Raises:
        ValueError: it is none.
    """
    match = _DURATION.fullmatch(text)
    parts = {} if match is None else {unit: float(n) for unit, n in match.groupdict().items() if n and unit != "sign"}
    if match is None or not parts:
        problem = f"{text!r} is not a duration; expected for example P1DT2H30M"
        raise ValueError(problem)
    found = dt.timedelta(**parts)
    return -found if match["sign"] else found


def _decimal(value: Any) -> decimal.Decimal:
    return decimal.Decimal(str(value))


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_SCALARS: Mapping[Any, Convert] = {
    bytes: _bytes,
    dt.datetime: dt.datetime.fromisoformat,
    dt.date: dt.date.fromisoformat,
    dt.time: dt.time.fromisoformat,
    dt.timedelta: duration,
    uuid.UUID: uuid.UUID,
    decimal.Decimal: _decimal,
    pathlib.Path: pathlib.Path,
    np.ndarray: np.asarray,
    **_CONTAINERS,
    tuple: tuple,
}


class Converters:
    """Makes converters of hints; each class is looked at once, so that types may refer to themselves."""

    def __init__(self) -> None:
        self._records: dict[Any, Convert] = {}

    def of(self, hint: Any) -> Convert | None:
        """Returns the converter of a hint; None where JSON's own value is already right."""
        if isinstance(hint, typing.NewType):
            return self.of(hint.__supertype__)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return self.of(arguments[0])
        if origin in _UNION:
            return self._union(arguments)
        if origin is not None:
            return self._generic(origin, arguments)
        return _SCALARS[hint] if _hashable(hint) and hint in _SCALARS else self._class(hint)

    def _generic(self, origin: Any, arguments: tuple[Any, ...]) -> Convert | None:
        if origin in _LISTS:
            return _each(self.of(arguments[0]), list)
        if origin in _CONTAINERS:
            return _each(self.of(arguments[0]), _CONTAINERS[origin]) or _CONTAINERS[origin]
        if origin is tuple and len(arguments) == 2 and arguments[1] is ...:  # noqa: PLR2004 - `tuple[T, ...]`
            return _each(self.of(arguments[0]), tuple) or tuple
        if origin is tuple:
            parts = [self.of(argument) or _unchanged for argument in arguments]
            return lambda values: tuple(part(value) for part, value in zip(parts, values, strict=True))
        if origin in _DICTS:
            inner = self.of(arguments[1])
            return None if inner is None else lambda values: {key: inner(value) for key, value in values.items()}
        return _SCALARS.get(origin)

    def _union(self, arms: tuple[Any, ...]) -> Convert | None:
        converters = [(arm, self.of(arm)) for arm in arms]
        if all(convert is None for _, convert in converters):
            return None

        def convert_first_fit(value: Any) -> Any:
            problem: Exception | None = None
            for arm, convert in converters:
                if convert is None and isinstance(value, _JSON_TYPES.get(typing.get_origin(arm) or arm, object)):
                    return value
                if convert is not None and value is not None:
                    try:
                        return convert(value)
                    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
                        problem = problem or error
            message = str(problem) if problem else "it fits none of the types that are allowed"
            raise ValueError(message)

        return convert_first_fit

    def _class(self, kind: Any) -> Convert | None:
        if not isinstance(kind, type):
            return None
        if issubclass(kind, enum.Enum):
            return kind
        validate: Convert | None = getattr(kind, "model_validate", None)  # pydantic
        if validate is not None:
            return validate
        if not (dataclasses.is_dataclass(kind) or typing.is_typeddict(kind) or _is_named_tuple(kind)):
            return None
        if kind in self._records:
            return self._records[kind]
        # A member may lead back to the class whose members are being read: it looks the converter up when it is there.
        self._records[kind] = partial(self._known, kind)
        self._records[kind] = self._record(kind)
        return self._records[kind]

    def _known(self, kind: Any, value: Any) -> Any:
        return self._records[kind](value)

    def _record(self, kind: Any) -> Convert:
        parts = {name: self.of(hint) or _unchanged for name, hint in hints_of(kind).items()}
        make: Callable[..., Any] = kind
        if dataclasses.is_dataclass(kind):
            return lambda values: make(**{name: parts[name](value) for name, value in values.items()})
        if typing.is_typeddict(kind):
            return lambda values: {name: parts.get(name, _unchanged)(value) for name, value in values.items()}
        # A NamedTuple, whose members come in order; those at the end may be missing.
        return lambda values: make(*(part(value) for part, value in zip(parts.values(), values, strict=False)))


def hints_of(annotated: Any) -> dict[str, Any]:
    """Returns the type hints of a function or a class; none where they name what only a type checker sees."""
    try:
        return typing.get_type_hints(annotated)
    except (NameError, TypeError):
        return {}


def _each(inner: Convert | None, container: Convert) -> Convert | None:
    if inner is None:
        return None
    return lambda values: container([inner(value) for value in values])


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _hashable(hint: Any) -> bool:
    return getattr(type(hint), "__hash__", None) is not None


def _unchanged(value: Any) -> Any:
    return value
