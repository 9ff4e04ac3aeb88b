"""Files that go into an archive, and Python's own knowledge of where code comes from."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from kea_sdk.errors import PackagingError

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
MAX_FILES = 10_000


def files_below(directory: Path) -> dict[str, Path]:
    """Returns the files of a directory by their path in it, without hidden ones, caches and environments.

    Raises:
        PackagingError: a link leads out of the directory, or there are too many files.
    """
    root = directory.resolve()
    files: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if any(part in _SKIPPED or part.startswith(".") for part in inside.parts) or not path.is_file():
            continue
        if not path.resolve().is_relative_to(root):
            problem = f"{path} leads out of {directory}; only what lies in the directory is pushed"
            raise PackagingError(problem)
        files[inside.as_posix()] = path
        if len(files) > MAX_FILES:
            problem = f"{directory} has more than {MAX_FILES} files; push a directory with the model alone"
            raise PackagingError(problem)
    return files


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
        found = getattr(sys.modules.get(name), "__file__", None)
        if name in sys.stdlib_module_names or found is None or not _is_local(Path(found)):
            continue
        path = Path(found)
        if path.name == "__init__.py":
            inner = files_below(path.parent)
            files.update({f"{path.parent.name}/{inside}": file for inside, file in inner.items()})
        elif path.suffix == ".py":
            files[path.name] = path
    return files


def _is_local(path: Path) -> bool:
    places = (sysconfig.get_path(key) for key in ("purelib", "platlib", "stdlib"))
    return not any(path.is_relative_to(place) for place in places)
