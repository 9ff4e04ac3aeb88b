"""The part of `requirements.lock` that an image needs, with the lock's own hashes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def read_lock(file: Path) -> dict[str, tuple[str, ...]]:
    """Returns the lock's entries by the distribution's name.

    Each is a line with a version and its hashes. There are several where different machines have different versions.
    """
    found: dict[str, tuple[str, ...]] = {}
    for entry in _entries(file.read_text().splitlines()):
        requirement = Requirement(entry.partition("--hash")[0].strip())
        name = canonicalize_name(requirement.name)
        found[name] = (*found.get(name, ()), entry)
    return found


def _entries(lines: Iterable[str]) -> Iterable[str]:
    entry = ""
    for line in lines:
        text = line.partition("#")[0].strip()
        if not text:
            continue
        entry = f"{entry} {text.removesuffix(chr(92)).strip()}".strip()
        if not text.endswith("\\"):
            yield entry
            entry = ""


def part_of(lock: dict[str, tuple[str, ...]], names: Collection[str]) -> str:
    """Returns a lock of these distributions only.

    Raises:
        KeyError: the lock lacks one.
    """
    return "".join(f"{entry}\n" for name in sorted(names) for entry in lock[name])


def names_in(requirements: str) -> set[str]:
    """Returns the names of the distributions in a requirements file without hashes."""
    lines = (line.partition("#")[0].strip() for line in requirements.splitlines())
    return {canonicalize_name(Requirement(line).name) for line in lines if line}
