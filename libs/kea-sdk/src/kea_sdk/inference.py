"""Calls of models, in typed JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from kea_sdk.errors import FieldViolation, InvalidArgument, KeaClientError
from kea_sdk.gateway import Gateway
from kea_sdk.plain import plain

PREDICT = "predict"
"""The method that is called where none is named."""
INPUT = "input"
"""The input that a bare array is given to."""


class Inference:
    """Calls of the models of one project."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def predict(self, path: str, inputs: Any, method: str | None, timeout: float) -> dict[str, Any]:
        """Calls a method; `path` is the endpoint's."""
        response = self._gateway.post(f"{path}/{quote(method or PREDICT)}", body_of(inputs), timeout=timeout)
        return _object(response.content)

    def validate(self, path: str, inputs: Any, method: str | None, timeout: float) -> tuple[FieldViolation, ...]:
        """Checks inputs without calling the model; returns what is wrong with them."""
        try:
            self._gateway.post(f"{path}/{quote(method or PREDICT)}:validate", body_of(inputs), timeout=timeout)
        except InvalidArgument as error:
            return error.violations or (FieldViolation("", str(error)),)
        return ()


def body_of(inputs: Any) -> bytes:
    """Returns inputs as the JSON object that is sent.

    Raises:
        InvalidArgument: JSON cannot carry them.
    """
    document = inputs if isinstance(inputs, Mapping) else _named(inputs)
    try:
        return json.dumps(plain(document), allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        problem = f"the inputs cannot be sent as JSON: {error}"
        raise InvalidArgument(problem) from error


def _named(inputs: Any) -> Mapping[str, Any]:
    """Returns what has no names as what a method of one input takes; a frame's columns have them."""
    if hasattr(inputs, "columns") and hasattr(inputs, "to_dict"):
        return {str(name): inputs[name] for name in inputs.columns}
    return {INPUT: inputs}


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        problem = "the answer is not JSON; is this KEA's address?"
        raise KeaClientError(problem) from error
    if not isinstance(document, dict):
        problem = "the answer is not an object; is this KEA's address?"
        raise KeaClientError(problem)
    return document
