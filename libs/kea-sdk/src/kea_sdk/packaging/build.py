"""Finds out what was handed over, and asks the module that knows such things."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kea_openapi.signature import Signature, SignatureError

from kea_sdk.errors import PackagingError
from kea_sdk.packaging import onnx, python, sklearn, sources
from kea_sdk.packaging.package import Package, PackageOptions

_SUFFIXES: dict[str, Callable[[Path, PackageOptions], Package]] = {
    ".onnx": onnx.from_file,
    ".joblib": sklearn.from_file,
    ".pkl": sklearn.from_file,
    ".pickle": sklearn.from_file,
    ".skops": sklearn.from_file,
    ".py": python.from_file,
}
FRAMEWORKS = ("sklearn", "onnx", "python")


def build(model: Any, options: PackageOptions) -> Package:
    """Returns the model as a package.

    Args:
        model: a fitted scikit-learn estimator, an ONNX `ModelProto`, a class, or the path of a file or directory.
        options: what is known better than it can be derived.

    Raises:
        PackagingError: it is none of these, or something needed could not be derived.
    """
    package = _of_path(model, options) if isinstance(model, str | os.PathLike) else _of_object(model, options)
    if options.framework is not None and options.framework != package.framework:
        problem = f"framework {options.framework!r} was asked for, but this is a model of {package.framework!r}"
        raise PackagingError(problem)
    if options.requirements is not None:
        package = replace(package, requirements=options.requirements)
    if package.signature is not None:
        package = replace(package, signature=_checked(package.signature, options))
    return package


def _of_object(model: Any, options: PackageOptions) -> Package:
    if inspect.isclass(model):
        return python.from_class(model, options)
    if onnx.is_graph(model):
        return onnx.from_graph(model, options)
    if sklearn.is_estimator(model):
        return sklearn.from_estimator(model, options)
    problem = (
        f"{type(model).__name__} is no model KEA knows; expected a fitted scikit-learn estimator, an ONNX ModelProto, "
        "a class, or a path"
    )
    raise PackagingError(problem)


def _of_path(given: str | os.PathLike[str], options: PackageOptions) -> Package:
    text = os.fspath(given)
    head, separator, class_name = text.rpartition(":")
    if separator and head.endswith(".py") and class_name.isidentifier():
        text, options = head, replace(options, class_name=options.class_name or class_name)
    path = Path(text).expanduser()
    if path.is_dir():
        return _of_directory(path, options)
    if not path.is_file():
        problem = f"{text} is not there"
        raise PackagingError(problem)
    return _reader(path)(path, options)


def _of_directory(directory: Path, options: PackageOptions) -> Package:
    """Reads the one model in it, and takes the files beside it along."""
    files = sources.files_below(directory)
    if not files:
        problem = f"{directory} has no files"
        raise PackagingError(problem)
    if options.class_name is not None:
        return python.from_directory(directory, files, options)
    models = [path for name, path in files.items() if "/" not in name and path.suffix in _SUFFIXES.keys() - {".py"}]
    if len(models) > 1:
        problem = f"{directory} has several models ({', '.join(path.name for path in models)}); push one of them"
        raise PackagingError(problem)
    if not models:
        return python.from_directory(directory, files, options)
    package = _reader(models[0])(models[0], options)
    return replace(package, files={**files, **package.files})


def _reader(path: Path) -> Callable[[Path, PackageOptions], Package]:
    reader = _SUFFIXES.get(path.suffix)
    if reader is None:
        problem = f"{path.name} is no model KEA knows; expected one of {', '.join(_SUFFIXES)}, or a directory"
        raise PackagingError(problem)
    return reader


def _checked(signature: Signature, options: PackageOptions) -> Signature:
    method, rows = options.method, options.max_batch_rows
    if method is not None:
        if signature.method(method) is None:
            known = ", ".join(entry.name for entry in signature.methods)
            problem = f"the model has no method {method!r}; it has {known}"
            raise PackagingError(problem)
        signature = replace(signature, default_method=method)
    if rows is not None:
        if rows > 1 and not any(entry.has_rows for entry in signature.methods):
            problem = f"calls cannot be joined to {rows} rows: no method takes and gives only tensors of shape [-1, …]"
            raise PackagingError(problem)
        methods = [replace(entry, max_batch_rows=rows) if entry.has_rows else entry for entry in signature.methods]
        signature = replace(signature, methods=tuple(methods))
    try:
        signature.validate()
    except SignatureError as error:
        raise PackagingError(str(error)) from error
    return signature
