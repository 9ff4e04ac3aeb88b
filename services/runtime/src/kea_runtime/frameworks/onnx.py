"""ONNX models, by onnxruntime on the CPU."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from kea_openapi.signature import Field, Method

from kea_runtime.calling import Bound, Style, Values
from kea_runtime.spec import Spec, SpecError

INTRA_OP_THREADS_VARIABLE = "KEA_ONNX_INTRA_OP_THREADS"
"""One thread unless this says otherwise: replicas scale better than threads, and small models lose by them."""


def load(spec: Spec) -> Callable[[Method], Bound]:
    """Returns the binder of the graph, which every method of the signature runs."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get(INTRA_OP_THREADS_VARIABLE, "1"))
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(spec.artifact()), options, providers=["CPUExecutionProvider"])
    return lambda method: _bind(session, method)


def _bind(session: Any, method: Method) -> Bound:
    given = _matched(method.inputs, [node.name for node in session.get_inputs()], "inputs")
    wanted = _matched(method.outputs, [node.name for node in session.get_outputs()], "outputs")
    names = list(wanted)
    nodes = list(wanted.values())
    run = session.run

    def call(inputs: Values) -> Any:
        results = run(nodes, {given[name]: value for name, value in inputs.items()})
        return dict(zip(names, results, strict=True))

    return Bound(call, Style.PACED)


def _matched(fields: tuple[Field, ...], nodes: list[str], what: str) -> dict[str, str]:
    """Returns the graph's node for each field: of the same name, else, when none is, in the graph's order."""
    names = [field.name for field in fields]
    if set(names) <= set(nodes):
        return {name: name for name in names}
    if len(names) == len(nodes):
        return dict(zip(names, nodes, strict=True))
    message = f"the signature's {what} ({', '.join(names)}) are not those of the graph ({', '.join(nodes)})"
    raise SpecError(message)
