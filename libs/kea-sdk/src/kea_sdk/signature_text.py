"""Methods of a signature as one would write them in Python."""

from __future__ import annotations

from kea_openapi.signature import Field, Method


def method_text(method: Method) -> str:
    """Returns a method in one line, for example `predict(input: FP64[?, 4]) -> output: INT64[?]`."""
    inputs = ", ".join(_field(field) for field in method.inputs)
    outputs = ", ".join(_field(field) for field in method.outputs)
    return f"{method.name}({inputs}) -> {outputs or 'nothing'}"


def _field(field: Field) -> str:
    if field.tensor is not None:
        extents = ", ".join("?" if extent < 0 else str(extent) for extent in field.tensor.shape)
        kind = f"{field.tensor.datatype.value}[{extents}]"
    else:
        found = (field.json_schema or {}).get("type", "any")
        kind = " | ".join(found) if isinstance(found, list) else str(found)
    return f"{field.name}: {kind}{'' if field.required else ' = …'}"
