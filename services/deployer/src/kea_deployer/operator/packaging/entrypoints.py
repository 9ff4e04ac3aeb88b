"""Which of the files is the model."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.model_spec import ONNX, PYTHON, SKLEARN
from kea_deployer.operator.reasons import Reason

SUFFIXES = {SKLEARN: (".joblib", ".pkl", ".skops"), ONNX: (".onnx",), PYTHON: (".py",)}
MOST_SOURCE_BYTES = 512 * 1024
"""Longest file in which a class is looked for: a syntax tree takes a hundred times as much."""
_RECORDS = {"dataclass", "BaseModel", "TypedDict", "NamedTuple", "Enum", "IntEnum", "StrEnum", "Flag", "Exception"}
"""Decorators and bases of classes that are no models."""


def named(files: Mapping[str, Path], framework: str) -> dict[str, Path]:
    """Returns the files with names that say what they are: stores often hold a model under none that does."""
    made: dict[str, Path] = {}
    for name, path in files.items():
        suffix = PurePosixPath(name).suffix
        if suffix == ".pickle":
            made[f"{name.removesuffix(suffix)}.pkl"] = path
        elif len(files) == 1 and suffix not in SUFFIXES[framework] and framework != PYTHON:
            made[f"{name}{SUFFIXES[framework][0]}"] = path
        else:
            made[name] = path
    return made


def entrypoint_of(files: Mapping[str, Path], framework: str, given: str) -> str:
    """Returns the entrypoint: the one that is given, else the only one there can be.

    Raises:
        Problem: it is not there, or there are several.
    """
    file, _, name = given.partition(":") if framework == PYTHON else (given, "", "")
    if file and file not in files:
        there = ", ".join(sorted(files)[:10])
        raise Problem(
            Reason.ENTRYPOINT_UNKNOWN, f"spec.entrypoint is {given!r}, which is not in the artifact; it has {there}"
        )
    if not file:
        file = _only_file(files, framework)
    if framework != PYTHON:
        return file
    return f"{file}:{name or _only_class(file, files[file])}"


def _only_file(files: Mapping[str, Path], framework: str) -> str:
    suffixes = SUFFIXES[framework]
    found = sorted(name for name in files if name.endswith(suffixes))
    top = [name for name in found if "/" not in name] or found
    if framework == PYTHON and len(top) > 1:
        top = [name for name in top if _classes(name, files[name])]
    if len(top) != 1:
        what = f"several, {', '.join(top[:10])}" if top else "none"
        wanted = f"one file that ends with {' or '.join(suffixes)}"
        raise Problem(
            Reason.ENTRYPOINT_UNKNOWN,
            f"the artifact must have {wanted}, or spec.entrypoint must name one; it has {what}",
        )
    return top[0]


def _only_class(name: str, path: Path) -> str:
    classes = _classes(name, path)
    if len(classes) != 1:
        has = ", ".join(classes[:10]) or "none"
        raise Problem(
            Reason.ENTRYPOINT_UNKNOWN,
            f"{name} must have one public class, or spec.entrypoint must name one, {name}:CLASS; it has {has}",
        )
    return classes[0]


def _classes(name: str, path: Path) -> list[str]:
    if path.stat().st_size > MOST_SOURCE_BYTES:
        raise Problem(
            Reason.ENTRYPOINT_UNKNOWN, f"{name} has more than {MOST_SOURCE_BYTES} bytes; expected the source of a class"
        )
    try:
        tree = ast.parse(path.read_bytes(), name)
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        return [node.name for node in classes if not _is_record(node)] or [node.name for node in classes]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Problem(Reason.ARTIFACT_INVALID, f"{name} is not Python: {error}") from error


def _is_record(node: ast.ClassDef) -> bool:
    """Returns whether a class is there for its values: an input's type, most likely, rather than the model."""
    marks = [entry.func if isinstance(entry, ast.Call) else entry for entry in node.decorator_list]
    names = {ast.unparse(entry).rpartition(".")[2] for entry in (*marks, *node.bases)}
    methods = [entry.name for entry in node.body if isinstance(entry, ast.FunctionDef | ast.AsyncFunctionDef)]
    return bool(names & _RECORDS) and all(entry.startswith("_") for entry in methods)
