"""The workspace's members: what they depend on, and their sources."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
JUNK = "__pycache__"


@dataclass(frozen=True, slots=True)
class Member:
    """One distribution of the workspace."""

    name: str
    version: str
    requirements: tuple[Requirement, ...]
    """What it depends on, other members among it."""
    sources: Path
    """Directory that its packages are in."""

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yields its files by their names below `sources`, sorted."""
        for path in sorted(self.sources.rglob("*")):
            if path.is_file() and JUNK not in path.parts:
                yield path.relative_to(self.sources).as_posix(), path


def read_members(root: Path = ROOT) -> dict[str, Member]:
    """Returns all members by name."""
    found: dict[str, Member] = {}
    for file in sorted([*root.glob("libs/*/pyproject.toml"), *root.glob("services/*/pyproject.toml")]):
        project: dict[str, Any] = tomllib.loads(file.read_text())["project"]
        lines = tuple(Requirement(line) for line in project.get("dependencies", ()))
        found[project["name"]] = Member(project["name"], project["version"], lines, file.parent / "src")
    return found


def closure(names: Iterable[str], members: dict[str, Member]) -> tuple[list[Member], list[str]]:
    """Returns the members that some members need, themselves among them, and what they need of others; both sorted."""
    wanted, others, seen = list(names), set[str](), set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        for requirement in members[name].requirements:
            if requirement.name in members:
                wanted.append(requirement.name)
            else:
                others.add(str(requirement))
    return [members[name] for name in sorted(seen)], sorted(others)


def digest_of_sources(members: Iterable[Member]) -> str:
    """Returns a hash that changes when a file of a member does."""
    whole = hashlib.sha256()
    for member in members:
        for name, path in member.files():
            content = path.read_bytes()
            whole.update(f"{name}\0{len(content)}\0".encode())
            whole.update(content)
    return whole.hexdigest()
