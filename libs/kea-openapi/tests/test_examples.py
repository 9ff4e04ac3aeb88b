from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from kea_openapi.examples import NoExampleError, example_value, method_example
from kea_openapi.signature import Datatype, Example, Field, Method, TensorType
from signature_strategies import GRADES, IRIS


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "exclusiveMinimum": 5}}},
        {"type": "object", "additionalProperties": {"type": "number", "maximum": -1}},
        {"type": "object", "required": ["a"]},
        {"type": "array", "items": {"type": "string", "minLength": 6}, "minItems": 2},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        {"enum": ["red", "green"]},
        {"const": 7},
        {"type": ["null", "string"]},
        {"anyOf": [{"type": "string", "pattern": "^[a-z]{3}$"}, {"type": "boolean"}]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "null"}}}, {"properties": {"b": {"const": 1}}}]},
        {"type": "number", "minimum": 0, "maximum": 0.25},
        {"type": "integer", "minimum": 7, "multipleOf": 5},
        {"type": "string", "format": "date-time"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"next": {"$ref": "#/$defs/a"}, "n": {"const": 1}}}}},
    ],
)
def test_examples_fit_their_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator(schema).validate(example_value(Field("x", json_schema=schema)))


@pytest.mark.parametrize(
    "field",
    [
        Field("x", json_schema={"type": "string", "pattern": "^[a-z]{3}$"}),
        Field("x", json_schema={"$ref": "#"}),
        Field("x", json_schema={"$ref": "#/$defs/absent"}),
        Field("x", json_schema={"type": "array", "items": {}, "minItems": 10**9}),
        Field("x", json_schema={"type": "string", "minLength": 10**9}),
        Field("x", json_schema={"type": "array", "items": False, "minItems": 1}),
        Field("x", TensorType(Datatype.UINT8, (1, 3, 224, 224))),
    ],
)
def test_what_cannot_be_made_up_is_said_to_be(field: Field) -> None:
    with pytest.raises(NoExampleError):
        example_value(field)


def test_the_signature_s_own_example_is_shown() -> None:
    example = method_example(IRIS.methods[0])
    assert not example.generated
    assert example.inputs == {"sepal_length": [5.1, 6.2], "petal_length": [1.4, 4.5]}


def test_a_generated_example_leaves_out_what_is_optional() -> None:
    example = method_example(GRADES.methods[0])
    assert example.generated
    assert example.inputs == {"student": {"name": "text", "friends": []}}


@pytest.mark.parametrize("inputs", [{}, {"x": 1.0}, {"x": [[1.0], [1.0, 2.0]]}, {"x": [[1.0]], "y": 1}])
def test_an_example_that_does_not_fit_is_not_shown(inputs: dict[str, Any]) -> None:
    method = Method(
        name="predict",
        inputs=(Field("x", TensorType(Datatype.FP32, (-1, -1))),),
        outputs=(),
        example=Example(inputs),
    )
    example = method_example(method)
    assert example.inputs == {"x": [[0.5]]}
    assert "does not fit" in example.problem
