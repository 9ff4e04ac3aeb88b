from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from kea_openapi.examples import example_value
from kea_openapi.schema import describe_type, field_schema, tensor_schema
from kea_openapi.signature import Datatype, Field, TensorType
from signature_strategies import TENSORS


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    return Draft202012Validator(schema).is_valid(value)


@given(TENSORS)
def test_the_example_of_a_tensor_fits_its_schema(tensor: TensorType) -> None:
    schema = tensor_schema(tensor)
    Draft202012Validator.check_schema(schema)
    assert is_valid(schema, example_value(Field("x", tensor)))


@pytest.mark.parametrize(
    ("datatype", "good", "bad"),
    [
        (Datatype.BOOL, [True], [1, "true", None]),
        (Datatype.INT8, [-128, 127], [-129, 128, 0.5, True]),
        (Datatype.UINT64, [0, 2**64 - 1], [-1, 2**64]),
        (Datatype.FP16, [65504, -0.5], [65505.0, "1"]),
        (Datatype.FP32, [3.4e38], [3.5e38]),
        (Datatype.FP64, [1e308, 1], [True]),
        (Datatype.BYTES, ["text"], [1]),
    ],
)
def test_elements_have_their_datatype_s_range(datatype: Datatype, good: list[Any], bad: list[Any]) -> None:
    schema = tensor_schema(TensorType(datatype, ()))
    assert all(is_valid(schema, value) for value in good)
    assert not any(is_valid(schema, value) for value in bad)


def test_fixed_extents_are_exact_and_others_free() -> None:
    schema = tensor_schema(TensorType(Datatype.INT32, (-1, 2)))
    assert is_valid(schema, [])
    assert is_valid(schema, [[1, 2], [3, 4]])
    assert not is_valid(schema, [[1, 2, 3]])


def test_a_field_without_a_known_type_takes_anything() -> None:
    assert field_schema(Field("x", json_schema={})) == {}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (Field("x", TensorType(Datatype.FP32, (-1, 4))), "FP32 [n, 4]"),
        (Field("x", TensorType(Datatype.BOOL, ())), "BOOL"),
        (Field("x", json_schema={"type": ["string", "null"]}), "string or null"),
        (Field("x", json_schema={"$ref": "#/$defs/Point"}), "Point"),
        (Field("x", json_schema={}), "any JSON"),
    ],
)
def test_types_are_told_in_few_words(field: Field, text: str) -> None:
    assert describe_type(field) == text
