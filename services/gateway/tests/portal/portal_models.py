"""Models that the portal's tests show."""

from __future__ import annotations

from dataclasses import replace

from kea_gateway.portal.catalog import ServedModel, ServedTarget
from kea_openapi.signature import Datatype, Example, Field, Method, Signature, TensorType

IRIS = ServedModel(
    project="default",
    name="iris",
    state="ACTIVE",
    version=3,
    framework="sklearn",
    description="Tells the species of an iris from four measurements.\nTrained on Fisher's data.",
    signature=Signature(
        methods=(
            Method(
                name="predict",
                description="Predicts the species of each flower.",
                inputs=(Field("x", TensorType(Datatype.FP64, (-1, 4)), description="Measurements in centimetres."),),
                outputs=(Field("species", TensorType(Datatype.BYTES, (-1,)), description="Name of the species."),),
                example=Example({"x": [[5.1, 3.5, 1.4, 0.2]]}, {"species": ["setosa"]}),
            ),
            Method(
                name="predict_proba",
                inputs=(Field("x", TensorType(Datatype.FP64, (-1, 4))),),
                outputs=(Field("probability", TensorType(Datatype.FP64, (-1, 3))),),
            ),
        ),
        default_method="predict",
    ),
    targets=(ServedTarget("iris-3", 3, 9000), ServedTarget("iris-4", 4, 1000)),
)
GRADES = ServedModel(
    project="default",
    name="grades",
    state="ACTIVE",
    version=1,
    framework="python",
    description="Grades of students.",
    signature=Signature(
        methods=(
            Method(
                name="get_grades",
                description="Returns a student's grades.",
                inputs=(
                    Field(
                        "student",
                        json_schema={
                            "$ref": "#/$defs/Student",
                            "$defs": {
                                "Student": {
                                    "type": "object",
                                    "properties": {"name": {"type": "string"}},
                                    "required": ["name"],
                                }
                            },
                        },
                        description="Whose.",
                    ),
                    Field("limit", json_schema={"type": "integer"}, required=False, default=10),
                ),
                outputs=(Field("result", json_schema={"type": "array", "items": {"type": "number"}}),),
            ),
            Method(
                name="set_grades",
                inputs=(Field("grades", json_schema={}),),
                outputs=(Field("result", json_schema={"type": "null"}),),
            ),
        ),
        incomplete=(
            "methods.set_grades: has no docstring.",
            "methods.set_grades.inputs.grades: has no type hint, so any JSON is accepted.",
        ),
    ),
    targets=(ServedTarget("grades-1", 1, 10000),),
)
LOST = replace(
    IRIS,
    name="lost",
    state="UNAVAILABLE",
    version=0,
    framework="",
    description="",
    signature=None,
    targets=(ServedTarget("lost", 0, 10000),),
)
SCHOOL = replace(IRIS, project="school", name="marks")
ALL = (IRIS, GRADES, LOST, SCHOOL)
