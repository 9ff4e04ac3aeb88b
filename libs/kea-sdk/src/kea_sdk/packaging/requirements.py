"""What a model needs, recorded from the environment it is pushed from."""

from __future__ import annotations

import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from kea_sdk.errors import PackagingError
from kea_sdk.packaging import sources

_HASH = re.compile(r"\s--hash[= ]\S+")
"""Of an artifact, as lock files have them: for other machines it may be another artifact."""
_EXTRA = re.compile(r"\bextra\s*==")
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
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"requirements {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise PackagingError(problem) from error
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = [_HASH.sub("", line.partition(" #")[0]).strip() for line in joined.splitlines()]
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
    known = _distributions_by_name(tuple((entry, _changed(entry)) for entry in sys.path))
    names: set[str] = set()
    for module in modules:
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top in known:
            names |= _owners(module, known[top])
    return names


def of_sources(files: Mapping[str, Path]) -> tuple[str, ...]:
    """Returns the installed versions of everything the Python files among these import."""
    imported: set[str] = set()
    for name, path in files.items():
        if name.endswith(".py"):
            imported |= sources.imports_of(path)
    local = {name.partition("/")[0].removesuffix(".py") for name in files}
    names = of_modules(module for module in imported if module.partition(".")[0] not in local)
    versions = {_normal(name): installed(name) for name in names}
    return tuple(f"{name}=={version}" for name, version in sorted(versions.items()) if version is not None)


@functools.lru_cache(maxsize=1)
def _distributions_by_name(_places: tuple[tuple[str, int], ...]) -> Mapping[str, set[str]]:
    """Returns the distributions by the first names of their modules.

    As `importlib.metadata.packages_distributions` does, which makes a path of every file there is: ten times the time.
    """
    found: dict[str, set[str]] = {}
    for distribution in importlib.metadata.distributions():
        # Debian's packages have no RECORD.
        lines = (distribution.read_text("RECORD") or distribution.read_text("top_level.txt") or "").splitlines()
        firsts = {line.partition(",")[0].partition("/")[0].partition(".")[0] for line in lines}
        for first in filter(str.isidentifier, firsts):
            found.setdefault(first, set()).add(distribution.metadata["Name"])
    return found


def _changed(place: str) -> int:
    """Returns when something was last installed in a place that modules come from, in nanoseconds since 1970."""
    try:
        return Path(place or ".").stat().st_mtime_ns
    except OSError:
        return 0


def _owners(module: str, distributions: set[str]) -> set[str]:
    """Returns whose a module is of the distributions that share its first name, as `google.cloud.…` and others do."""
    if len(distributions) == 1:
        return distributions
    path = module.replace(".", "/")
    owners: set[str] = set()
    while not owners and "/" in path:
        inside = (f"{path}/", f"{path}.py")
        for name in distributions:
            files = importlib.metadata.files(name) or []
            if any(file.as_posix().startswith(inside) for file in files):
                owners.add(name)
        path = path.rpartition("/")[0]
    return owners or distributions


def _needs(distribution: str) -> set[str]:
    try:
        lines = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return set()
    return {found[0] for line in lines if not _EXTRA.search(line) and (found := _NAME.match(line))}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
