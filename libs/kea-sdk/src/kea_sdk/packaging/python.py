"""Python classes: every public method is callable, and the source tells its signature without being run."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kea_openapi.signature import Example, Method, Signature

from kea_sdk.errors import PackagingError
from kea_sdk.packaging import examples, requirements
from kea_sdk.packaging.package import Package, PackageOptions
from kea_sdk.plain import is_finite, plain

_RECORDS = frozenset(
    {
        "dataclass",
        "BaseModel",
        "TypedDict",
        "NamedTuple",
        "Enum",
        "IntEnum",
        "StrEnum",
        "Flag",
        "Exception",
        "ValueError",
    }
)
"""Decorators and bases of classes that are no models."""


def from_class(kind: type, options: PackageOptions) -> Package:
    """Packs the file that defines a class.

    Raises:
        PackagingError: the class is in no file, or inside something else than a module.
    """
    try:
        source = inspect.getsourcefile(kind)
    except (TypeError, OSError):  # built in, or typed into an interpreter
        source = None
    if source is None or not Path(source).is_file() or kind.__qualname__ != kind.__name__:
        problem = f"class {kind.__qualname__} must be at the top level of a file; that file is what is pushed"
        raise PackagingError(problem)
    return from_file(Path(source), replace(options, class_name=kind.__name__))


def from_file(path: Path, options: PackageOptions) -> Package:
    """Packs one file.

    Raises:
        PackagingError: it has no such class, or several and none is named.
    """
    return _package({path.name: path}, path.name, options)


def from_directory(directory: Path, files: Mapping[str, Path], options: PackageOptions) -> Package:
    """Packs a directory, in which a file at the top defines the class.

    Raises:
        PackagingError: there is no such class, or several and none is named.
    """
    candidates = [name for name in files if name.endswith(".py") and "/" not in name]
    wanted = options.class_name
    if wanted is not None and ":" in wanted:
        name, _, class_name = wanted.partition(":")
        if name not in files:
            problem = f"{directory} has no {name}"
            raise PackagingError(problem)
        return _package(files, name, replace(options, class_name=class_name))
    found = [name for name in candidates if (wanted in _classes(files[name]) if wanted else _classes(files[name]))]
    if len(found) != 1:
        what = f"class {wanted!r}" if wanted else "a model: an artifact or a public class"
        where = f"in several files ({', '.join(found)})" if found else "in no file"
        problem = f"{directory} has {what} {where} at its top; name one, as `file.py:Class`"
        raise PackagingError(problem)
    return _package(files, found[0], options)


def _package(files: Mapping[str, Path], name: str, options: PackageOptions) -> Package:
    entrypoint = f"{name}:{options.class_name or _only_class(files[name])}"
    signature = options.signature or _signature(files, entrypoint)
    if options.example is not None:
        signature = _with_example(signature, options.example, options.method)
    return Package(
        framework="python",
        entrypoint=entrypoint,
        files=dict(files),
        signature=signature,
        requirements=requirements.of_sources(files),
    )


def _signature(files: Mapping[str, Path], entrypoint: str) -> Signature:
    from kea_openapi import python_source  # loads griffe, which no other kind of model needs

    texts: dict[str, str] = {}
    for name, path in files.items():
        if name.endswith(".py"):
            try:
                texts[name] = path.read_text("utf-8")
            except UnicodeDecodeError as error:
                problem = f"{name} is not UTF-8"
                raise PackagingError(problem) from error
    try:
        return python_source.signature_of(texts, entrypoint)
    except python_source.SourceError as error:
        raise PackagingError(str(error)) from error


def _with_example(signature: Signature, example: Any, method: str | None) -> Signature:
    """Attaches the example: inputs of one method, or a mapping from methods to inputs."""
    if not isinstance(example, Mapping):
        problem = "the example of a class must be a mapping: inputs by name, or by method and name"
        raise PackagingError(problem)
    names = {entry.name for entry in signature.methods}
    wanted = method or signature.default_method
    by_method = set(example) <= names and all(isinstance(value, Mapping) for value in example.values())
    if not by_method and not wanted:
        problem = (
            f"the example must say which method it is for; expected a mapping with any of {', '.join(sorted(names))}"
        )
        raise PackagingError(problem)
    calls: Mapping[str, Any] = example if by_method else {wanted: example}
    methods = [
        replace(entry, example=_example(entry, calls[entry.name])) if entry.name in calls else entry
        for entry in signature.methods
    ]
    return replace(signature, methods=tuple(methods))


def _example(method: Method, given: Mapping[str, Any]) -> Example | None:
    inputs: dict[str, Any] = plain(given)
    unknown = sorted(inputs.keys() - {field.name for field in method.inputs})
    if unknown:
        problem = f"the example has {', '.join(unknown)}, which {method.name} does not take"
        raise PackagingError(problem)
    if not is_finite(inputs):
        problem = f"the example of {method.name} has values that JSON cannot carry"
        raise PackagingError(problem)
    return examples.shown(inputs, None)


def _only_class(path: Path) -> str:
    classes = _classes(path)
    if len(classes) != 1:
        found = ", ".join(classes) or "none"
        problem = f"{path.name} must have one public class, or one must be named as `{path.name}:Class`; it has {found}"
        raise PackagingError(problem)
    return classes[0]


def _classes(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        problem = f"{path.name} is not Python: {error}"
        raise PackagingError(problem) from error
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    served = [node for node in classes if not _is_record(node)]
    return [node.name for node in served or classes]


def _is_record(node: ast.ClassDef) -> bool:
    """Returns whether a class is there for its values: an input's type, most likely, rather than the model."""
    marks = [entry.func if isinstance(entry, ast.Call) else entry for entry in node.decorator_list]
    names = {ast.unparse(entry).rpartition(".")[2] for entry in (*marks, *node.bases)}
    methods = [entry.name for entry in node.body if isinstance(entry, ast.FunctionDef | ast.AsyncFunctionDef)]
    return bool(names & _RECORDS) and all(name.startswith("_") for name in methods)
