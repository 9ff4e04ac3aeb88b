"""Files that go into an archive, and Python's own knowledge of where code comes from."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kea_sdk.errors import PackagingError

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})
MAX_FILES = 10_000


def files_below(directory: Path) -> dict[str, Path]:
    """Returns the files of a directory by their path in it, without hidden ones, caches and environments.

    Raises:
        PackagingError: something cannot be taken along: a link that leads out of the directory, to a directory or to
            nothing, what may not be read, or too many files.
    """
    root = directory.resolve()
    files: dict[str, Path] = {}
    for path in _walked(root):
        if not path.exists():
            problem = f"{path} leads nowhere; remove it, or push with what it should lead to"
            raise PackagingError(problem)
        if not path.is_file():  # a socket, a pipe
            continue
        if not path.resolve().is_relative_to(root):
            problem = f"{path} leads out of {directory}; only what lies in the directory is pushed"
            raise PackagingError(problem)
        name = path.relative_to(root).as_posix()
        if not name.isprintable():  # also names that are no UTF-8
            problem = f"{name!r} in {directory} is no file name that can be pushed; rename it"
            raise PackagingError(problem)
        files[name] = path
        if len(files) > MAX_FILES:
            problem = f"{directory} has more than {MAX_FILES} files; push a directory with the model alone"
            raise PackagingError(problem)
    return files


def imports_of(path: Path, package: str = "") -> set[str]:
    """Returns the modules that a Python file imports, wherever it does so.

    Args:
        path: the file.
        package: the package it is in, for imports relative to that; without, those are left out.

    Raises:
        PackagingError: it is not Python.
    """
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError) as error:
        problem = f"{path} is not Python: {error}"
        raise PackagingError(problem) from error
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            found = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {
                found,
                *(f"{found}.{alias.name}" for alias in node.names if f"{found}.{alias.name}" in sys.modules),
            }
    return names


def reached(modules: Iterable[str]) -> set[str]:
    """Returns the imported modules, and those that local ones among them import, at whatever depth."""
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        module = sys.modules.get(name)
        source = Path(getattr(module, "__file__", None) or "")
        if module is not None and name != "__main__" and source.suffix == ".py" and _is_local(name, source):
            waiting += imports_of(source, module.__package__ or "")
    return seen


def local_modules(names: Iterable[str]) -> dict[str, Path]:
    """Returns the source files, by path in the archive, of imported modules that no installed distribution has.

    A pickle names the modules of its classes: those that exist only here have to travel with it.

    Raises:
        PackagingError: one of them is the script that runs, which cannot be imported anywhere else.
    """
    files: dict[str, Path] = {}
    for name in sorted({name.partition(".")[0] for name in names}):
        if name == "__main__":
            problem = (
                "the model uses classes or functions defined in the script that runs; "
                "move them to a module of their own, so that they can be imported where the model is served"
            )
            raise PackagingError(problem)
        for path in _places(name):
            if path.is_dir():
                inner = files_below(path)
                files.update({f"{path.name}/{inside}": file for inside, file in inner.items()})
            elif path.suffix == ".py":
                files[path.name] = path
    return files


@contextmanager
def importable(directory: Path) -> Generator[None]:
    """Lets modules of a directory be imported meanwhile, behind all that can be imported anyway."""
    entry = str(directory.resolve())
    sys.path.append(entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _walked(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        problem = f"{error.filename} cannot be read: {error.strerror}"
        raise PackagingError(problem) from error

    for place, directories, names in os.walk(root, onerror=refuse):
        inside = Path(place)
        directories[:] = sorted(name for name in directories if not _is_skipped(inside / name))
        for name in directories:
            if (inside / name).is_symlink():
                problem = f"{inside / name} is a link to a directory; push with the directory itself in its place"
                raise PackagingError(problem)
        yield from (inside / name for name in sorted(names) if not name.startswith("."))


def _is_skipped(directory: Path) -> bool:
    return directory.name in _SKIPPED or directory.name.startswith(".") or (directory / "pyvenv.cfg").is_file()


def _places(name: str) -> list[Path]:
    """Returns the local file or directories of an imported top-level module; none where it is not local."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:  # a package without __init__.py
        found = [Path(place) for place in getattr(module, "__path__", ())]
    else:
        found = [Path(file).parent if Path(file).name == "__init__.py" else Path(file)]
    return [place for place in found if _is_local(name, place)]


def _is_local(name: str, path: Path) -> bool:
    standard = name.partition(".")[0] in sys.stdlib_module_names or path.is_relative_to(sysconfig.get_path("stdlib"))
    return not standard and not _INSTALLED.intersection(path.parts)
