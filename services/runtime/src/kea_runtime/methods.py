"""The served model: its methods, how they are addressed, and one call from checked inputs to checked outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from kea_openapi.signature import Method, Signature

from kea_runtime.batching import DEFAULT_MAX_ROWS, Batches
from kea_runtime.calling import Bound, Caller, Threads, Values
from kea_runtime.errors import (
    InvalidRequest,
    MethodNotFound,
    OutputInvalid,
    Path,
    VersionNotServed,
    Violation,
    invalid,
)
from kea_runtime.fields import ServedField, compile_field
from kea_runtime.tensors import kind

_MISSING = object()


class ServedMethod:
    """A method with its fields compiled."""

    def __init__(self, method: Method, bound: Bound, threads: Threads) -> None:
        self.name = method.name
        self.table = method.table
        self.inputs: tuple[ServedField, ...] = tuple(compile_field(field) for field in method.inputs)
        self.outputs: tuple[ServedField, ...] = tuple(compile_field(field) for field in method.outputs)
        self.input_by_name = {field.name: field for field in self.inputs}
        self.output_by_name = {field.name: field for field in self.outputs}
        caller = Caller(bound, threads)
        rows = method.max_batch_rows or (DEFAULT_MAX_ROWS if bound.by_row else 1)
        self._call = Batches(self.name, caller, rows).call if method.has_rows and rows > 1 else caller.call

    def read_json(self, document: Any, path: Path = ()) -> Values:
        """Returns the inputs from a JSON object with a property for each.

        Raises:
            InvalidRequest: with every violation found.
        """
        if type(document) is not dict:
            raise invalid(path, f"is {kind(document)}", "an object with a property per input")
        values: Values = {}
        violations: list[Violation] = []
        for field in self.inputs:
            value = document.get(field.name, _MISSING)
            if value is _MISSING:
                if field.required:
                    violations.append(self._missing(field.name, path))
                continue
            try:
                values[field.name] = field.from_json(value, (*path, field.name))
            except InvalidRequest as error:
                violations += error.violations
        if not document.keys() <= self.input_by_name.keys():
            violations += (self.unknown(name, path) for name in document if name not in self.input_by_name)
        if violations:
            raise InvalidRequest(violations)
        self.check(values, path)
        return values

    def check(self, values: Values, path: Path = ()) -> None:
        """Checks what no field can say alone: that required inputs are there and columns of a table equally long.

        Raises:
            InvalidRequest: they are not.
        """
        missing = [
            self._missing(field.name, path) for field in self.inputs if field.required and field.name not in values
        ]
        if missing:
            raise InvalidRequest(missing)
        if self.table and len({len(column) for column in values.values()}) > 1:
            lengths = ", ".join(f"{name}: {len(column)}" for name, column in values.items())
            raise invalid(path, f"has columns of different lengths ({lengths})", "as many rows in every column")

    def unknown(self, name: str, path: Path) -> Violation:
        """Returns the violation for an input that the method has not."""
        return Violation((*path, name), "is not an input of this method", f"one of {', '.join(self.input_by_name)}")

    async def call(self, inputs: Values) -> Values:
        """Calls the model with checked inputs.

        Raises:
            ModelFailed: the model raised.
            OutputInvalid: what it gave does not fit the signature.
            Overloaded: too many calls wait for a thread.
        """
        return self._outputs(await self._call(inputs))

    def _outputs(self, result: Any) -> Values:
        """Returns the outputs by name, from a value, a mapping, a sequence in order, or an object with attributes."""
        fields = self.outputs
        if len(fields) == 1 and type(result) is np.ndarray:  # what most models give; the rest costs a few microseconds
            return {fields[0].name: fields[0].from_model(result)}
        named = cast("Mapping[Any, Any]", result) if isinstance(result, Mapping) else None
        if len(fields) == 1:
            field = fields[0]
            if named is not None and len(named) == 1 and field.name in named:
                result = named[field.name]
            return {field.name: field.from_model(result)}
        if not fields:
            return {}
        given: dict[str, Any]
        if named is not None:
            given = dict(named)
        elif isinstance(result, tuple | list):
            given = dict(zip([field.name for field in fields], result, strict=False))
        else:
            given = {field.name: getattr(result, field.name) for field in fields if hasattr(result, field.name)}
        missing = [field.name for field in fields if field.name not in given]
        if missing:
            message = f"the model's result has no {', '.join(missing)}"
            raise OutputInvalid(message)
        return {field.name: field.from_model(given[field.name]) for field in fields}

    def _missing(self, name: str, path: Path) -> Violation:
        return Violation((*path, name), "is missing", "every required input")


class ServedModel:
    """One model version, ready to be called.

    Args:
        name: the model's name, for metadata and logs.
        version: the only version that this process serves.
        platform: what runs it, for metadata.
        signature: its methods.
        bind: returns the loaded model's function for a method.
        threads: where calls run that must not run on the loop.
    """

    def __init__(
        self,
        *,
        name: str,
        version: int,
        platform: str,
        signature: Signature,
        bind: Callable[[Method], Bound],
        threads: Threads,
    ) -> None:
        self.name = name
        self.version = version
        self.platform = platform
        self.methods = {method.name: ServedMethod(method, bind(method), threads) for method in signature.methods}
        self._default = signature.default_method

    def method(self, name: str) -> ServedMethod:
        """Returns the method of that name.

        Raises:
            MethodNotFound: there is none.
        """
        method = self.methods.get(name)
        if method is None:
            raise MethodNotFound(name, tuple(self.methods))
        return method

    def addressed(self, address: str, version: str = "") -> ServedMethod:
        """Returns the method that an OIP or V1 address, `endpoint` or `endpoint.method`, means.

        Raises:
            MethodNotFound: there is none, or no default where the address names none.
            VersionNotServed: the version is given and is another one.
        """
        if version and version != str(self.version):
            raise VersionNotServed(version, self.version)
        return self.method(address.rpartition(".")[2] if "." in address else self._default)
