"""Hypothesis strategies for signatures, and examples that several tests share."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from kea_openapi.signature import MAX_BATCH_ROWS, Datatype, Example, Field, Method, Signature, TensorType

IRIS = Signature(
    methods=(
        Method(
            name="predict",
            description="Predicts the species of each flower. Rows are flowers.",
            inputs=(
                Field("sepal_length", TensorType(Datatype.FP64, (-1,)), description="In centimetres."),
                Field("petal_length", TensorType(Datatype.FP64, (-1,))),
            ),
            outputs=(Field("species", TensorType(Datatype.BYTES, (-1,))),),
            table=True,
            example=Example(
                {"sepal_length": [5.1, 6.2], "petal_length": [1.4, 4.5]}, {"species": ["setosa", "virginica"]}
            ),
        ),
        Method(
            name="predict_proba",
            inputs=(Field("x", TensorType(Datatype.FP32, (-1, 4))),),
            outputs=(
                Field("probability", TensorType(Datatype.FP32, (-1, 3))),
                Field("label", TensorType(Datatype.INT64, (-1,))),
            ),
        ),
    ),
    default_method="predict",
)

GRADES = Signature(
    methods=(
        Method(
            name="get_grades",
            description="Returns it's grades.",
            inputs=(
                Field(
                    "student",
                    json_schema={
                        "$ref": "#/$defs/Student",
                        "$defs": {
                            "Student": {
                                "type": "object",
                                "properties": {
                                    "name": {"type": "string", "minLength": 1},
                                    "friends": {"type": "array", "items": {"$ref": "#/$defs/Student"}, "maxItems": 0},
                                },
                                "required": ["name"],
                            }
                        },
                    },
                ),
                Field("since", json_schema={"type": "string", "format": "date"}, required=False),
                Field("limit", json_schema={"type": "integer", "minimum": 1}, required=False, default=10),
            ),
            outputs=(Field("result", json_schema={"type": "array", "items": {"type": "number"}}),),
        ),
        Method(
            name="getGrades",
            inputs=(
                Field("tree", json_schema={"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}}]}),
            ),
            outputs=(Field("result", json_schema={}),),
        ),
        Method(
            name="picture",
            inputs=(Field("pixels", TensorType(Datatype.UINT8, (-1, 224, 224, 3))),),
            outputs=(Field("far", json_schema={"$ref": "https://example.com/schema.json"}),),
        ),
        Method(name="nothing", inputs=(), outputs=()),
    ),
    incomplete=("methods.getGrades.result: has no type hint.",),
)

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20)
_NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9_]{0,20}\Z")
_NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(_TEXT, JSON, max_size=3)
TENSORS = st.builds(TensorType, st.sampled_from(Datatype), st.lists(st.integers(-1, 3), max_size=4).map(tuple))


@st.composite
def fields(draw: st.DrawFn, *, outputs: bool = False) -> Field:
    """Returns a field of either kind."""
    required = outputs or draw(st.booleans())
    tensor = draw(st.none() | TENSORS)
    return Field(
        name=draw(_TEXT.filter(bool)),
        tensor=tensor,
        json_schema=None if tensor else draw(_OBJECTS),
        description=draw(_TEXT),
        required=required,
        default=None if required else draw(JSON),
    )


def _several(strategy: st.SearchStrategy[Field]) -> st.SearchStrategy[tuple[Field, ...]]:
    return st.lists(strategy, max_size=4, unique_by=lambda field: field.name).map(tuple)


_EXAMPLES = st.builds(Example, _OBJECTS, st.none() | _OBJECTS)
_METHODS = st.builds(
    Method,
    name=_NAMES,
    inputs=_several(fields()),
    outputs=_several(fields(outputs=True)),
    description=_TEXT,
    example=st.none() | _EXAMPLES,
    max_batch_rows=st.integers(0, MAX_BATCH_ROWS),
)


@st.composite
def signatures(draw: st.DrawFn) -> Signature:
    """Returns a valid signature."""
    methods = draw(st.lists(_METHODS, min_size=1, max_size=3, unique_by=lambda method: method.name))
    default = draw(st.sampled_from(["", *(method.name for method in methods)]))
    return Signature(tuple(methods), default, tuple(draw(st.lists(_TEXT, max_size=2))))
