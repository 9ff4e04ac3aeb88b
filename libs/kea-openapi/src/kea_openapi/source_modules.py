"""Python modules read from their text, never run: what a name in them stands for.

Only names whose definition is among the given sources can be looked into; those of installed packages keep their dotted
name, which is enough to know `numpy.ndarray` or `typing.Optional`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import griffe

MAX_SOURCE_CHARACTERS = 1 << 20
"""Longest file that is read. Beyond it, it is data, not a program a person wrote."""

MAX_MODULES = 128
"""Most files that one signature may be spread over."""

_MAX_ALIASES = 16


class SourceError(ValueError):
    """Source code that no signature can be read from.

    Args:
        problem: what is wrong, for the person who wrote it.
        file: path of the file within the sources; empty where none is to blame.
        line: line of the file, from 1; 0 where no line is to blame.
    """

    def __init__(self, problem: str, file: str = "", line: int = 0) -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{place}{problem}")
        self.problem = problem
        self.file = file
        self.line = line


class SourceModules:
    """The modules of one archive; each is parsed when it is first needed.

    Args:
        sources: text per path, relative to the directory that is on the import path.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._paths = {_module_name(path): path for path in sources if path.endswith(".py")}
        self._modules: dict[str, griffe.Module] = {}

    def module_at(self, path: str) -> griffe.Module:
        """Returns the module in a file.

        Raises:
            SourceError: there is no such file, or it is not Python.
        """
        normal = str(PurePosixPath(path))
        if normal not in self._sources:
            problem = "is not among the sources"
            raise SourceError(problem, path)
        return self._load(_module_name(normal), normal)

    def find(self, dotted: str) -> griffe.Object | None:
        """Returns what a dotted name stands for, through imports, or None where it is defined elsewhere."""
        for _ in range(_MAX_ALIASES):
            found = self._find_once(dotted)
            if not isinstance(found, griffe.Alias):
                return found
            dotted = found.target_path
        return None

    def _find_once(self, dotted: str) -> griffe.Object | griffe.Alias | None:
        parts = dotted.split(".")
        for count in range(len(parts), 0, -1):
            name = ".".join(parts[:count])
            if name in self._paths:
                try:
                    return _member(self._load(name, self._paths[name]), parts[count:])
                except SourceError:  # a broken neighbour leaves its names unknown; the docs say so
                    return None
        return None

    def _load(self, name: str, path: str) -> griffe.Module:
        if name not in self._modules:
            if len(self._modules) >= MAX_MODULES:
                problem = f"the signature is spread over more than {MAX_MODULES} files"
                raise SourceError(problem, path)
            self._modules[name] = _visit(name, path, self._sources[path])
        return self._modules[name]


def parse_hint(text: str, scope: griffe.Module | griffe.Class) -> griffe.Expr | str | None:
    """Returns the expression in a string, or None where there is none."""
    try:
        node = ast.parse(text, mode="eval").body
        return griffe.get_annotation(node, scope)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _member(module: griffe.Module, names: list[str]) -> griffe.Object | griffe.Alias | None:
    current: griffe.Object | griffe.Alias = module
    for name in names:
        if isinstance(current, griffe.Alias):
            return None
        found = current.members.get(name)
        if found is None:
            return None
        current = found
    return current


def _module_name(path: str) -> str:
    pure = PurePosixPath(path).with_suffix("")
    return ".".join(pure.parts[:-1] if pure.name == "__init__" else pure.parts)


def _visit(name: str, path: str, code: str) -> griffe.Module:
    if len(code) > MAX_SOURCE_CHARACTERS:
        problem = f"has {len(code)} characters; at most {MAX_SOURCE_CHARACTERS} are read"
        raise SourceError(problem, path)
    try:
        parent, last = _parent(name)
        return griffe.visit(last, Path(path), code, parent=parent)
    except SyntaxError as error:
        problem = f"is not Python: {error.msg}"
        raise SourceError(problem, path, error.lineno or 0) from error
    except ValueError as error:
        problem = f"is not Python: {error}"
        raise SourceError(problem, path) from error
    except (RecursionError, MemoryError) as error:
        problem = "is nested too deep to be read"
        raise SourceError(problem, path) from error


def _parent(name: str) -> tuple[griffe.Module | None, str]:
    """Returns empty packages around a module, by which griffe tells where relative imports lead."""
    *packages, last = name.split(".")
    parent: griffe.Module | None = None
    for package in packages:
        parent = griffe.Module(package, filepath=Path(package, "__init__.py"), parent=parent)
    return parent, last
