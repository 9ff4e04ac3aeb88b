"""The served model: its methods, how they are addressed, and one call from checked inputs to checked outputs."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from kea_openapi.signature import Method, Signature

from kea_runtime.errors import (
    CallError,
    InvalidRequest,
    MethodNotFound,
    ModelFailed,
    OutputInvalid,
    Overloaded,
    Path,
    VersionNotServed,
    Violation,
    invalid,
)
from kea_runtime.fields import ServedField, compile_field
from kea_runtime.pace import Pace
from kea_runtime.tensors import kind

Values = dict[str, Any]
"""Inputs or outputs by name: arrays for tensors, plain JSON otherwise."""

_MISSING = object()


class Style(enum.Enum):
    """How a method of a model wants to be run."""

    PACED = enum.auto()
    """Pure computation: on the loop while calls are short, else in a thread."""

    THREAD = enum.auto()
    """May block for reasons of its own (files, network), so never on the loop."""

    COROUTINE = enum.auto()
    """Awaited on the loop."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A method of a loaded model: takes inputs by name, and gives what the model gives."""

    function: Callable[[Values], Any]
    style: Style


class Threads:
    """A bounded thread pool with a bounded queue before it.

    Args:
        workers: calls that run at the same time.
        waiting: calls that may be queued; further ones are refused.
    """

    def __init__(self, workers: int = 8, waiting: int = 1024) -> None:
        self._pool = ThreadPoolExecutor(workers, "model")
        self._limit = workers + waiting
        self._pending = 0

    async def run(self, function: Callable[[Values], Any], inputs: Values) -> Any:
        """Runs the function in a thread.

        Raises:
            Overloaded: the queue is full.
        """
        if self._pending >= self._limit:
            raise Overloaded
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, inputs)
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Forgets queued calls. Running ones are not waited for: drain before."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class ServedMethod:
    """A method with its fields compiled."""

    def __init__(self, method: Method, bound: Bound, threads: Threads) -> None:
        self.name = method.name
        self.table = method.table
        self.inputs: tuple[ServedField, ...] = tuple(compile_field(field) for field in method.inputs)
        self.outputs: tuple[ServedField, ...] = tuple(compile_field(field) for field in method.outputs)
        self.input_by_name = {field.name: field for field in self.inputs}
        self.output_by_name = {field.name: field for field in self.outputs}
        self._function = bound.function
        self._style = bound.style
        self._threads = threads
        self._pace = Pace()

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
        try:
            if self._style is Style.PACED:
                size = _size(inputs)
                if self._pace.is_cheap(size):
                    start = time.perf_counter()
                    result = self._function(inputs)
                    self._pace.record(size, time.perf_counter() - start)
                else:
                    result = await self._threads.run(self._timed_in_thread, inputs)
            elif self._style is Style.THREAD:
                result = await self._threads.run(self._function, inputs)
            else:
                awaitable: Awaitable[Any] = self._function(inputs)
                result = await awaitable
        except CallError:
            raise
        except Exception as error:
            raise ModelFailed from error
        return self._outputs(result)

    def _timed_in_thread(self, inputs: Values) -> Any:
        # The thread's own time: wall time in the pool counts the wait for other threads, which makes every call dear
        # as soon as a few run at once, and then none would ever come back to the loop.
        start = time.thread_time()
        try:
            return self._function(inputs)
        finally:
            self._pace.record(_size(inputs), time.thread_time() - start)

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


def _size(inputs: Values) -> int:
    """Returns the magnitude of the inputs: the power of two of their elements."""
    elements = 0
    for value in inputs.values():
        if type(value) is np.ndarray:
            elements += value.size
    return elements.bit_length()


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
