"""Loading models: one module per framework, each with a `load` that returns how to bind a method."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from kea_openapi.signature import Method

from kea_runtime.calling import Bound
from kea_runtime.frameworks import onnx, python_class, sklearn
from kea_runtime.spec import Spec, SpecError

Binder = Callable[[Method], Bound]

LOADERS: dict[str, Callable[[Spec], Binder]] = {
    "sklearn": sklearn.load,
    "onnx": onnx.load,
    "python": python_class.load,
}


def load(spec: Spec) -> Binder:
    """Loads the model of a spec; whatever its code raises comes out as it is.

    The process changes to the model's directory and can import the modules in it: pickles name classes by their
    modules, and a model's code opens the files beside it.

    Raises:
        SpecError: the framework is not known, or the entrypoint does not exist.
    """
    loader = LOADERS.get(spec.framework)
    if loader is None:
        message = f"framework {spec.framework!r} is not one of {', '.join(LOADERS)}"
        raise SpecError(message)
    spec.artifact()
    os.chdir(spec.directory)
    sys.path.insert(0, str(spec.directory))
    return loader(spec)
