from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kea_openapi.oip import oip_tensor
from kea_openapi.signature import Datatype, Field, TensorType
from kea_runtime.errors import InvalidRequest, OutputInvalid
from kea_runtime.fields import compile_field
from kea_runtime.pace import INLINE_SECONDS, Pace

SCHEMAS: list[dict[str, Any]] = [
    {"type": "number"},
    {"type": "integer"},
    {"type": "string"},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["number", "null"]},
    {"type": "object"},
    {"type": "array"},
    {"type": "array", "items": {"type": "number"}},
    {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    {"type": "array", "items": {"type": "string"}},
    {"type": "array", "prefixItems": [{"type": "number"}], "items": {"type": "number"}},
    {"anyOf": [{"type": "number"}]},
    {"$ref": "#/$defs/A", "$defs": {"A": {"type": "integer"}}},
    {"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": "number"}}},
    {},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_oip_types_are_those_of_the_documentation(schema: dict[str, Any]) -> None:
    field = Field("x", json_schema=schema)
    assert compile_field(field).reader.tensor == oip_tensor(field).tensor


def test_references_never_leave_the_schema() -> None:
    with pytest.raises(ValueError, match="not followed"):
        compile_field(Field("x", json_schema={"$ref": "file:///etc/hostname"}))


def test_patterns_run_in_linear_time() -> None:
    field = compile_field(Field("x", json_schema={"type": "string", "pattern": "^(a+)+$"}))
    with pytest.raises(InvalidRequest, match="does not match"):
        field.from_json("a" * 50_000 + "b", ("x",))


def test_long_values_are_not_quoted_in_full() -> None:
    field = compile_field(Field("x", json_schema={"type": "integer"}))
    with pytest.raises(InvalidRequest) as caught:
        field.from_json("a" * 50_000, ("x",))
    assert len(caught.value.violations[0].detail) < 300


@pytest.mark.parametrize(
    ("datatype", "shape", "value", "wanted"),
    [
        (Datatype.INT32, (-1,), np.array([1, 2], np.int64), [1, 2]),
        (Datatype.FP64, (-1,), [1.5, 2.5], [1.5, 2.5]),
        (Datatype.FP32, (-1,), np.array([1.5]), [1.5]),
        (Datatype.BYTES, (-1,), np.array(["a", "bc"]), ["a", "bc"]),
        (Datatype.BYTES, (-1,), [b"a", "b"], ["a", "b"]),
        (Datatype.FP64, (), 1.5, 1.5),
    ],
)
def test_results_take_the_declared_type(datatype: Datatype, shape: tuple[int, ...], value: Any, wanted: Any) -> None:
    field = compile_field(Field("y", TensorType(datatype, shape)))
    plain = field.to_json(field.from_model(value))
    assert (plain.tolist() if isinstance(plain, np.ndarray) else plain) == wanted


@pytest.mark.parametrize(
    ("datatype", "shape", "value"),
    [
        (Datatype.INT8, (-1,), np.array([300])),
        (Datatype.INT64, (-1,), np.array([1.5])),
        (Datatype.FP64, (-1,), ["a"]),
        (Datatype.FP64, (-1,), [[1.0], [1.0, 2.0]]),
        (Datatype.FP64, (-1, 3), np.zeros((2, 2))),
        (Datatype.BYTES, (-1,), [1]),
        (Datatype.FP64, (-1,), None),
    ],
)
def test_results_that_do_not_fit_are_refused(datatype: Datatype, shape: tuple[int, ...], value: Any) -> None:
    with pytest.raises(OutputInvalid):
        compile_field(Field("y", TensorType(datatype, shape))).from_model(value)


def test_calls_move_to_the_loop_when_they_prove_short_and_away_when_not() -> None:
    pace = Pace()
    assert not pace.is_cheap(4)
    pace.record(4, INLINE_SECONDS / 10)
    assert pace.is_cheap(4)
    assert not pace.is_cheap(9)
    for _ in range(10):
        pace.record(4, INLINE_SECONDS * 2)
    assert not pace.is_cheap(4)
