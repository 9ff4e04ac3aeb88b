"""What a model needs, recorded from the environment it is pushed from."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kea_sdk.errors import PackagingError

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def given(requirements: Iterable[str] | str | Path | None) -> tuple[str, ...] | None:
    """Returns requirements that the user gave: a list of lines, or the path of a requirements file.

    Raises:
        PackagingError: the file cannot be read, or has lines that are no requirements.
    """
    if requirements is None:
        return None
    if not isinstance(requirements, str | Path):
        return tuple(line.strip() for line in requirements if line.strip())
    path = Path(requirements).expanduser()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"requirements {path} cannot be read: {error}"
        raise PackagingError(problem) from error
    lines = [line.partition(" #")[0].strip() for line in text.replace("\\\n", " ").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    for line in lines:
        if line.startswith("-"):
            problem = f"{path}: {line!r} is an option of pip's; expected requirements only"
            raise PackagingError(problem)
    return tuple(lines)


def pinned(distributions: Iterable[str]) -> tuple[str, ...]:
    """Returns the installed versions of distributions and of what they directly need, as far as installed."""
    wanted: set[str] = set()
    for name in distributions:
        wanted |= {name, *_needs(name)}
    versions: dict[str, str] = {}
    for name in wanted:
        version = installed(name)
        if version is not None:
            versions[_normal(name)] = version
    return tuple(f"{name}=={versions[name]}" for name in sorted(versions))


def installed(distribution: str) -> str | None:
    """Returns the version of a distribution that an index can have, or None where it is not installed."""
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    return version.partition("+")[0]  # local labels, as of `2.0+cpu`, are of no index


def of_modules(modules: Iterable[str]) -> set[str]:
    """Returns the distributions that the modules come from; the standard library and local ones have none."""
    known = importlib.metadata.packages_distributions()
    tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    return {known[top][0] for top in tops if top in known}


def of_sources(files: Mapping[str, Path]) -> tuple[str, ...]:
    """Returns the installed versions of everything the Python files among these import."""
    imported: set[str] = set()
    for name, path in files.items():
        if name.endswith(".py"):
            imported |= _imports(path)
    local = {name.partition("/")[0].removesuffix(".py") for name in files}
    names = of_modules(module for module in imported if module.partition(".")[0] not in local)
    versions = {_normal(name): installed(name) for name in names}
    return tuple(f"{name}=={version}" for name, version in sorted(versions.items()) if version is not None)


def modules_of(value: Any, depth: int = 4) -> set[str]:
    """Returns the modules of the classes that make up an estimator: its own, its bases' and its parameters'."""
    if depth == 0:
        return set()
    names: set[str] = set()
    if isinstance(value, list | tuple):
        for entry in value[:100]:
            names |= modules_of(entry, depth - 1)
    elif callable(getattr(value, "get_params", None)) and not isinstance(value, type):
        names |= {base.__module__ for base in type(value).__mro__}
        for entry in value.get_params(deep=False).values():
            names |= modules_of(entry, depth - 1)
    elif callable(value):
        names.add(str(getattr(value, "__module__", "") or ""))
    return names - {"builtins", ""}


def _imports(path: Path) -> set[str]:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        problem = f"{path} is not Python: {error}"
        raise PackagingError(problem) from error
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def _needs(distribution: str) -> set[str]:
    try:
        lines = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return set()
    return {found[0] for line in lines if "extra ==" not in line and (found := _NAME.match(line))}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
