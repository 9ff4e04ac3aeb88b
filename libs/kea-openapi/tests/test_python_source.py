from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from kea_openapi.python_source import SourceError, signature_of
from kea_openapi.signature import Datatype, Field, Method, Signature, TensorType


def read(code: str, **more: str) -> Signature:
    sources = {"model.py": dedent(code)} | {
        f"{name.replace('__', '/')}.py": dedent(text) for name, text in more.items()
    }
    return signature_of(sources, "model.py:Model")


def only(signature: Signature) -> Method:
    (method,) = signature.methods
    return method


PRELUDE = """
import collections, datetime, decimal, enum, typing, uuid
import numpy as np, numpy.typing as npt, pydantic
from dataclasses import dataclass, field
from typing import Annotated, Any, Dict, Iterator, Literal, NamedTuple, NewType, NotRequired, Optional, Sequence
from typing import TypedDict, Union
"""
METHOD = """
class Model:
    def f(self, x: {hint}) -> None:
        '''Does.

        Args:
            x: An x.
        '''
"""


def hinted(hint: str, prelude: str = "") -> tuple[Field, tuple[str, ...]]:
    """Returns the field of one hint, and what was said to be missing about its type."""
    code = f"{PRELUDE}\n{dedent(prelude)}\n{METHOD.format(hint=hint)}"
    signature = signature_of({"model.py": code}, "model.py:Model")
    return only(signature).inputs[0], signature.incomplete


GRADES = '''
    """Grades of students."""

    from dataclasses import dataclass


    @dataclass
    class Report:
        """What is known.

        Attributes:
            average: Mean of all.
        """

        average: float
        best: int | None = None
        """Best of all."""


    class Model:
        """Knows grades."""

        def __init__(self, path: str = "x") -> None:
            raise RuntimeError("must never run")

        def get_grades(self, student: str, limit: int = 10, *, tags: list[str] | None = None) -> Report:
            """Returns the grades of a student.

            More about it.

            Args:
                student: Whose.
                limit: How many.
                tags: Which.

            Returns:
                The report.
            """

        def set_grades(self, student: str, grades: dict[str, float]) -> bool:
            """Sets grades.

            Parameters
            ----------
            student : str
                Whose.
            grades : dict
                By subject.

            Returns
            -------
            bool
                Whether it worked.
            """

        async def count(self, since: "datetime.date") -> int:
            """Counts.

            :param since: From when.
            :returns: How many.
            """

        def _private(self): ...

        @property
        def name(self): ...
'''


def test_a_class_gives_a_method_per_public_function() -> None:
    signature = read("    import datetime\n" + GRADES)
    assert [method.name for method in signature.methods] == ["get_grades", "set_grades", "count"]
    assert signature.default_method == ""
    assert signature.incomplete == ()


def test_google_style_is_read() -> None:
    method = read("    import datetime\n" + GRADES).methods[0]
    assert method.description == "Returns the grades of a student.\n\nMore about it."
    assert method.inputs == (
        Field("student", json_schema={"type": "string"}, description="Whose."),
        Field("limit", json_schema={"type": "integer"}, description="How many.", required=False, default=10),
        Field(
            "tags",
            json_schema={"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
            description="Which.",
            required=False,
        ),
    )


def test_a_dataclass_gives_an_output_per_member() -> None:
    method = read("    import datetime\n" + GRADES).methods[0]
    assert method.outputs == (
        Field("average", json_schema={"type": "number"}, description="Mean of all."),
        Field("best", json_schema={"anyOf": [{"type": "integer"}, {"type": "null"}]}, description="Best of all."),
    )


def test_numpy_and_sphinx_style_are_read() -> None:
    _, numpy, sphinx = read("    import datetime\n" + GRADES).methods
    assert [field.description for field in numpy.inputs] == ["Whose.", "By subject."]
    assert numpy.outputs == (Field("result", json_schema={"type": "boolean"}, description="Whether it worked."),)
    assert sphinx.inputs[0] == Field(
        "since", json_schema={"type": "string", "format": "date"}, description="From when."
    )
    assert sphinx.outputs[0].description == "How many."


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        ("int", {"type": "integer"}),
        ("'float'", {"type": "number"}),
        ("None", {"type": "null"}),
        ("Any", {}),
        ("object", {}),
        ("Optional[str]", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ("int | str | None", {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
        ("Union[int, Any]", {}),
        ("list[list[float]]", {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
        ("Sequence['int']", {"type": "array", "items": {"type": "integer"}}),
        ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
        (
            "tuple[int, str]",
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        ),
        ("set[str]", {"type": "array", "uniqueItems": True, "items": {"type": "string"}}),
        ("Dict[str, bool]", {"type": "object", "additionalProperties": {"type": "boolean"}}),
        ("dict", {"type": "object"}),
        ("Literal['a', 2, None]", {"enum": ["a", 2, None]}),
        ("Annotated[int, pydantic.Field(ge=1, lt=9)]", {"type": "integer", "minimum": 1, "exclusiveMaximum": 9}),
        ("datetime.datetime", {"type": "string", "format": "date-time"}),
        ("uuid.UUID", {"type": "string", "format": "uuid"}),
        ("np.int8", {"type": "integer", "minimum": -128, "maximum": 127}),
        ("list[np.ndarray]", {"type": "array", "items": {"type": "array"}}),
    ],
)
def test_hints_become_schemas(hint: str, schema: dict[str, Any]) -> None:
    field, incomplete = hinted(hint)
    assert field.json_schema == schema
    assert incomplete == ()


@pytest.mark.parametrize(
    ("hint", "prelude", "good", "bad"),
    [
        ("Color", "class Color(enum.Enum):\n    RED = 'r'\n    BLUE = enum.auto()", ["r", 2], ["RED"]),
        ("Color", "class Color(enum.StrEnum):\n    RED = enum.auto()", ["red"], [1]),
        ("P", "class P(TypedDict):\n    x: int\n    y: NotRequired[str]", [{"x": 1}], [{}, {"x": 1, "z": 2}]),
        ("P", "class P(TypedDict, total=False):\n    x: int", [{}], [{"x": "1"}]),
        ("P", "class P(NamedTuple):\n    x: int\n    y: str = ''", [[1], [1, "a"]], [[], [1, "a", 2]]),
        (
            "P",
            "@dataclass\nclass P:\n    x: int = field(default=1)\n    y: list[int] = field(default_factory=list)",
            [{}],
            [1],
        ),
        (
            "P",
            "@dataclass\nclass A:\n    x: int\n@dataclass\nclass P(A):\n    y: str",
            [{"x": 1, "y": ""}],
            [{"y": ""}],
        ),
        (
            "P",
            "class P(pydantic.BaseModel):\n    x: int = pydantic.Field(..., ge=1)\n    y: int = 2",
            [{"x": 1}],
            [{"x": 0}],
        ),
        (
            "T",
            "@dataclass\nclass T:\n    v: int\n    kids: 'list[T]'",
            [{"v": 1, "kids": [{"v": 2, "kids": []}]}],
            [{"v": 1}],
        ),
        ("Row", "Row = list[float]", [[1.5]], ["a"]),
        ("Id", "Id = NewType('Id', int)", [1], ["a"]),
    ],
)
def test_classes_and_aliases_become_schemas(hint: str, prelude: str, good: list[Any], bad: list[Any]) -> None:
    field, incomplete = hinted(hint, prelude)
    assert incomplete == ()
    assert field.json_schema
    Draft202012Validator.check_schema(field.json_schema)
    validator = Draft202012Validator(field.json_schema)
    assert all(validator.is_valid(value) for value in good)
    assert not any(validator.is_valid(value) for value in bad)


@pytest.mark.parametrize(
    ("hint", "tensor", "missing"),
    [
        ("npt.NDArray[np.float32]", TensorType(Datatype.FP32, (-1, -1)), "has no known shape"),
        ("np.ndarray", TensorType(Datatype.FP64, (-1, -1)), "has no known element type"),
        ("np.ndarray[tuple[int, Literal[4]], np.dtype[np.int64]]", TensorType(Datatype.INT64, (-1, 4)), ""),
    ],
)
def test_arrays_become_tensors(hint: str, tensor: TensorType, missing: str) -> None:
    field, incomplete = hinted(hint)
    assert field.tensor == tensor
    assert bool(incomplete) == bool(missing)
    assert missing in " ".join(incomplete)


def test_a_shape_in_the_docs_is_believed() -> None:
    signature = read(
        '''
        import numpy as np

        class Model:
            def predict(self, X: np.ndarray) -> np.ndarray:
                """Predicts.

                Parameters
                ----------
                X : ndarray of shape (n_samples, 4)
                    Rows.
                """
        '''
    )
    method = only(signature)
    assert method.inputs[0].tensor == TensorType(Datatype.FP64, (-1, 4))
    assert method.outputs[0].json_schema == {"type": "array"}
    assert signature.default_method == "predict"


@pytest.mark.parametrize(
    ("hint", "missing"),
    [
        ("Nowhere", "its type `Nowhere` cannot be resolved from the source"),
        ("other.Thing", "cannot be resolved from the source"),
        ("Plain", "is a class that is neither"),
        ("list[Nowhere]", "cannot be resolved"),
        ("Made", "is made by a call"),
        ("1 + 2", "is not understood"),
        ("'not python ('", "is not understood"),
        ("Iterator[int]", "cannot be resolved"),
        ("list[" * 40 + "int" + "]" * 40, "is nested too deep"),
    ],
)
def test_what_has_no_schema_is_told_and_takes_anything(hint: str, missing: str) -> None:
    field, incomplete = hinted(hint, "class Plain: pass\nMade = make()\n")
    assert field.json_schema is not None
    assert len(incomplete) == 1
    assert incomplete[0].startswith("methods.f.inputs.x: ")
    assert missing in incomplete[0]


def test_missing_hints_and_docs_are_told() -> None:
    signature = read(
        """
        class Model:
            def score(self, x, *rest, y=compute(), **more): ...
        """
    )
    assert signature.incomplete == (
        "methods.score: has no docstring.",
        "methods.score.inputs.x: is not described in the docstring.",
        "methods.score.inputs.x: has no type hint, so any JSON is accepted.",
        "methods.score.inputs.rest: takes any number of arguments and is left out: inputs need names.",
        "methods.score.inputs.y: has the default `compute()`, which is no literal and is not shown.",
        "methods.score.inputs.y: is not described in the docstring.",
        "methods.score.inputs.y: has no type hint, so any JSON is accepted.",
        "methods.score.inputs.more: takes any number of arguments and is left out: inputs need names.",
        "methods.score.outputs.result: is not described in the docstring.",
        "methods.score.outputs.result: has no type hint.",
    )
    assert signature.default_method == "score"


def test_other_files_and_bases_are_looked_into() -> None:
    signature = read(
        """
        from shared import Point
        from pkg.shapes import Base

        class Model(Base):
            def where(self, p: Point) -> Point:
                "Where."
        """,
        shared="from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: float\n",
        pkg__shapes="from .units import Unit\nclass Base:\n    def size(self, unit: Unit = Unit.CM) -> int: 'Size.'\n",
        pkg__units="import enum\nclass Unit(enum.Enum):\n    CM = 'cm'\n",
    )
    where, size = signature.methods
    assert where.inputs[0].json_schema is not None
    assert where.outputs[0].name == "x"
    assert size.inputs[0].default == "cm"
    assert size.inputs[0].json_schema == {"$ref": "#/$defs/Unit", "$defs": {"Unit": {"enum": ["cm"]}}}


def test_static_and_class_methods_have_all_their_inputs() -> None:
    signature = read(
        """
        class Model:
            @staticmethod
            def a(x: int) -> None: "A."
            @classmethod
            def b(cls, x: int) -> None: "B."
        """
    )
    assert [[field.name for field in method.inputs] for method in signature.methods] == [["x"], ["x"]]


@pytest.mark.parametrize(
    ("sources", "entrypoint", "message"),
    [
        ({"model.py": "class Model:\n    def f(self:\n"}, "model.py:Model", r"model\.py:2: is not Python"),
        ({"model.py": "x = 1\0"}, "model.py:Model", "is not Python"),
        ({"model.py": "class Other:\n    pass\n"}, "model.py:Model", "there is no class 'Model'; there is Other"),
        ({"model.py": "class Model:\n    pass\n"}, "model.py:Model", "has no public method"),
        ({"model.py": ""}, "other.py:Model", r"other\.py: is not among the sources"),
        ({"model.py": ""}, "model.py", "must be `file.py:Class`"),
        ({"model.py": "#" * (1 << 21)}, "model.py:Model", "at most 1048576"),
        ({"model.py": "x = " + "-" * 100_000 + "1"}, "model.py:Model", r"model\.py"),
        ({"model.py": "x = " + "a." * 50_000 + "b"}, "model.py:Model", r"model\.py"),
    ],
)
def test_sources_without_a_signature_are_refused_with_the_place(
    sources: dict[str, str], entrypoint: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        signature_of(sources, entrypoint)


def test_a_broken_neighbour_leaves_its_names_unknown() -> None:
    signature = read(
        "from shared import Point\nclass Model:\n    def f(self, p: Point) -> None: 'F.'\n", shared="def ("
    )
    assert any("`shared.Point` cannot be resolved" in line for line in signature.incomplete)
