"""Classes in Python: `file.py:Class`, made once without arguments, whose methods are the model's."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from kea_openapi.signature import Field, Method

from kea_runtime.calling import Bound, Style, Values
from kea_runtime.errors import Path, invalid
from kea_runtime.frameworks.annotations import Converters, hints_of
from kea_runtime.spec import Spec, SpecError

Coerce = Callable[[Any], Any]


def load(spec: Spec) -> Callable[[Method], Bound]:
    """Returns the binder of an instance's methods."""
    path = spec.artifact()
    class_name = spec.entrypoint.rpartition(":")[2]
    found = importlib.util.spec_from_file_location(path.stem, path)
    if found is None or found.loader is None:
        message = f"{path.name} is not a Python file"
        raise SpecError(message)
    module = importlib.util.module_from_spec(found)
    sys.modules[path.stem] = module  # dataclasses, pickle and pydantic look their module up by name
    found.loader.exec_module(module)
    kind = getattr(module, class_name, None)
    if not isinstance(kind, type):
        message = f"{path.name} has no class {class_name!r}"
        raise SpecError(message)
    instance = kind()
    return lambda method: _bind(instance, method)


def _bind(instance: Any, method: Method) -> Bound:
    function = getattr(instance, method.name, None)
    if not callable(function):
        message = f"class {type(instance).__name__} has no method {method.name!r}"
        raise SpecError(message)
    call = _table_call(function, method) if method.table else _keyword_call(function, method)
    return Bound(call, Style.COROUTINE if inspect.iscoroutinefunction(function) else Style.THREAD)


def _table_call(function: Callable[[Any], Any], method: Method) -> Callable[[Values], Any]:
    """Returns the call with all inputs as one DataFrame, the method's only argument."""
    frame = importlib.import_module("pandas").DataFrame
    names = [field.name for field in method.inputs]
    return lambda inputs: function(frame({name: inputs[name] for name in names if name in inputs}))


def _keyword_call(function: Callable[..., Any], method: Method) -> Callable[[Values], Any]:
    """Returns the call with an argument per input; those not given are left to Python's own defaults."""
    coerce = _coercions(function, method)
    return lambda inputs: function(**{name: coerce[name](value) for name, value in inputs.items()})


def _coercions(function: Any, method: Method) -> dict[str, Coerce]:
    """Returns, by input, what makes an argument of the annotated type out of an array or a JSON value."""
    hints, converters = hints_of(function), Converters()
    return {field.name: _coercion(hints.get(field.name, Any), field, converters) for field in method.inputs}


def _coercion(annotation: Any, field: Field, converters: Converters) -> Coerce:
    if field.tensor is None:
        convert = converters.of(annotation)
        return _unchanged if convert is None else _checked(convert, (field.name,))
    origin = typing.get_origin(annotation) or annotation
    if origin is list:
        return np.ndarray.tolist
    if origin in {float, int, str, bool}:
        return lambda array: origin(array.item())
    return _unchanged


def _checked(convert: Coerce, path: Path) -> Coerce:
    """Returns a conversion by the model's own types; what they refuse is the caller's mistake, not the model's."""

    def checked(value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, ArithmeticError) as error:
            raise invalid(path, str(error)) from error

    return checked


def _unchanged(value: Any) -> Any:
    return value
