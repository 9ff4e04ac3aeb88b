"""The V1 protocol: rows in `instances` or columns in `inputs`, answered by `predictions`.

`instances` is a list with an entry per row: the row itself where the method has one input, else an object with a
property per input. Where every input is a tensor with a variable first extent the rows make one batch and the method is
called once; otherwise it is called for each row. `inputs` is what the typed protocol takes, or the bare value of the
only input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kea_runtime.answers import Answer, Answers
from kea_runtime.bodies import parse_json, read_body
from kea_runtime.calling import Values
from kea_runtime.errors import CallError, InvalidRequest, PathNotFound, VerbNotAllowed, Violation, invalid
from kea_runtime.http_connection import Request
from kea_runtime.methods import ServedMethod, ServedModel
from kea_runtime.tensors import kind

MAX_SINGLE_CALLS = 1024
"""Rows of one request that a method which takes no batches is called for, one after the other."""

_PREDICT = ":predict"


class V1:
    """Answers under `/v1/models`; errors are `{"error": text}`."""

    def __init__(self, model: ServedModel, answers: Answers, max_body_bytes: int) -> None:
        self._model = model
        self._answers = answers
        self._limit = max_body_bytes

    async def answer(self, request: Request, segments: Sequence[str]) -> Answer:
        """Answers readiness and predictions; `segments` are those after `/v1`."""
        if len(segments) != 2 or segments[0] != "models":  # noqa: PLR2004 - "models" and the address
            raise PathNotFound("/".join(("/v1", *segments)))
        address = segments[1]
        if not address.endswith(_PREDICT):
            self._model.addressed(address)
            if request.verb != "GET":
                raise VerbNotAllowed(request.verb, "GET")
            return self._answers.json({"name": address, "ready": True})
        method = self._model.addressed(address.removesuffix(_PREDICT))
        if request.verb != "POST":
            raise VerbNotAllowed(request.verb, "POST")
        document = parse_json(read_body(request, self._limit))
        return self._answers.json({"predictions": await _predictions(method, document)})

    def refuse(self, error: CallError, request_id: str) -> Answer:
        """Returns the error in this protocol's shape."""
        return self._answers.error(error, request_id)


async def _predictions(method: ServedMethod, document: Any) -> Any:
    if type(document) is not dict or ("instances" in document) == ("inputs" in document):
        raise invalid((), "does not have exactly one of instances and inputs", "an object with one of them")
    if "inputs" in document:
        return _columns(method, await method.call(_column_inputs(method, document["inputs"])))
    instances = document["instances"]
    if type(instances) is not list:
        raise invalid(("instances",), f"is {kind(instances)}", "an array with an entry per row")
    if _takes_batches(method):
        return _rows(method, await method.call(_batch(method, instances)), len(instances))
    if len(instances) > MAX_SINGLE_CALLS:
        found = f"has {len(instances)} rows"
        raise invalid(("instances",), found, f"at most {MAX_SINGLE_CALLS}: this method takes no batches")
    calls = [_row_inputs(method, row, index) for index, row in enumerate(instances)]
    return [_columns(method, await method.call(inputs)) for inputs in calls]


def _takes_batches(method: ServedMethod) -> bool:
    return bool(method.inputs) and all(field.is_batch for field in method.inputs)


def _column_inputs(method: ServedMethod, inputs: Any) -> Values:
    bare = len(method.inputs) == 1 and not (type(inputs) is dict and method.inputs[0].name in inputs)
    return method.read_json({method.inputs[0].name: inputs} if bare else inputs, ("inputs",))


def _row_inputs(method: ServedMethod, row: Any, index: int) -> Values:
    return method.read_json(row if _is_named(method, row) else {method.inputs[0].name: row}, ("instances", index))


def _is_named(method: ServedMethod, row: Any) -> bool:
    """Returns whether a row is an object with a property per input, rather than the only input's value."""
    return len(method.inputs) != 1 or (type(row) is dict and row.keys() == {method.inputs[0].name})


def _batch(method: ServedMethod, instances: list[Any]) -> Values:
    """Returns the inputs of one call for all rows; violations point into the rows."""
    if not any(_is_named(method, row) for row in instances):
        field = method.inputs[0]
        return {field.name: field.from_json(instances, ("instances",))}
    violations = [
        Violation(("instances", index), f"is {kind(row)}", "an object with a property per input")
        for index, row in enumerate(instances)
        if type(row) is not dict
    ]
    if violations:
        raise InvalidRequest(violations)
    columns: dict[str, list[Any]] = {}
    for field in method.inputs:
        column = [row[field.name] for row in instances if field.name in row]
        if len(column) == len(instances):
            columns[field.name] = column
        elif column or field.required:
            violations += [
                Violation(("instances", index, field.name), "is missing", "the same inputs in every row")
                for index, row in enumerate(instances)
                if field.name not in row
            ]
    violations += [
        method.unknown(name, ("instances", index))
        for index, row in enumerate(instances)
        for name in row.keys() - method.input_by_name.keys()
    ]
    if violations:
        raise InvalidRequest(violations)
    try:
        return method.read_json(columns)
    except InvalidRequest as error:
        raise InvalidRequest(
            Violation(_in_rows(violation.path), violation.detail, violation.expected) for violation in error.violations
        ) from error


def _in_rows(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Returns the place in `instances` of a place in a column: column and row change places."""
    return ("instances", path[1], path[0], *path[2:]) if len(path) > 1 else ("instances", *path)


def _columns(method: ServedMethod, outputs: Values) -> Any:
    """Returns the only output's value, or an object with a property per output."""
    values = {field.name: field.to_json(outputs[field.name]) for field in method.outputs}
    return values[method.outputs[0].name] if len(method.outputs) == 1 else values


def _rows(method: ServedMethod, outputs: Values, count: int) -> Any:
    """Returns the outputs row by row, where all of them have that many rows."""
    columns = _columns(method, outputs)
    if len(method.outputs) == 1 or any(len(column) != count for column in columns.values()):
        return columns
    return [{name: column[index] for name, column in columns.items()} for index in range(count)]
