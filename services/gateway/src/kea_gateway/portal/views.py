"""What templates show of a model: plain values, so that templates hold no logic worth testing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kea_openapi.schema import describe_type
from kea_openapi.signature import Field, Method

from kea_gateway.portal.catalog import ServedModel
from kea_gateway.portal.visitor import Visitor


@dataclass(frozen=True, slots=True)
class FieldView:
    """A row of a method's inputs or outputs."""

    name: str
    type: str
    description: str
    required: bool


@dataclass(frozen=True, slots=True)
class MethodView:
    """A method."""

    name: str
    default: bool
    description: str
    inputs: Sequence[FieldView]
    outputs: Sequence[FieldView]
    allowed: bool | None
    """Whether who looks may call it; None where nobody has logged in."""


@dataclass(frozen=True, slots=True)
class SampleView:
    """Code that calls the model."""

    label: str
    source: str
    anchor: str


def method_views(model: ServedModel, visitor: Visitor | None = None) -> list[MethodView]:
    """Returns the model's methods, and which of them a visitor may call."""
    signature = model.signature
    if signature is None:
        return []
    return [
        _method(
            method,
            default=method.name == signature.default_method,
            allowed=None if visitor is None else visitor.may_call(model, method.name),
        )
        for method in signature.methods
    ]


def sample_views(document: Mapping[str, Any], model: ServedModel) -> list[SampleView]:
    """Returns the samples of the method that a newcomer would call: the default one, else the first."""
    if model.signature is None:
        return []
    name = model.signature.default_method or model.signature.methods[0].name
    operation = document["paths"][f"{model.prefix}/models/{model.name}/{name}"]["post"]
    samples = cast("list[dict[str, str]]", operation.get("x-codeSamples", []))
    return [SampleView(sample["label"], sample["source"], f"sample-{number}") for number, sample in enumerate(samples)]


def model_json(model: ServedModel, base: str) -> dict[str, Any]:
    """Returns a model as `/models` lists it."""
    address = f"{base}{model.prefix}"
    signature = model.signature
    methods = [
        {
            "name": method.name,
            "description": method.description,
            "default": signature is not None and method.name == signature.default_method,
            "url": f"{address}/models/{model.name}/{method.name}",
        }
        for method in (signature.methods if signature is not None else ())
    ]
    return {
        "name": model.name,
        "project": model.project,
        "state": model.state,
        "version": model.version,
        "framework": model.framework,
        "description": model.description,
        "methods": methods,
        "targets": [
            {"deployment": target.deployment, "version": target.version, "weight": target.weight}
            for target in model.targets
        ],
        "limits": list(model.limits),
        "oip": f"{address}/v2/models/{model.name}",
        "docs": f"{address}/models/{model.name}/docs",
        "openapi": f"{address}/models/{model.name}/openapi.json",
    }


def matches(model: ServedModel, query: str) -> bool:
    """Returns whether all words of a search are in what the model's card shows."""
    methods = " ".join(method.name for method in model.signature.methods) if model.signature is not None else ""
    text = f"{model.name} {model.framework} {model.state} {methods} {model.description}".casefold()
    return all(word in text for word in query.casefold().split())


def _method(method: Method, *, default: bool, allowed: bool | None) -> MethodView:
    inputs, outputs = [_field(entry) for entry in method.inputs], [_field(entry) for entry in method.outputs]
    return MethodView(method.name, default, method.description, inputs, outputs, allowed)


def _field(field: Field) -> FieldView:
    return FieldView(field.name, describe_type(field), field.description, field.required)
