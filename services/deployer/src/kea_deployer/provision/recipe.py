"""What the runtime says of itself: what it is made of, and what models need beside their own requirements."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path

from kea_deployer.domain.deployment import ModelVersion

_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""What addresses in requirements may carry."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the runtime says of itself. Services never import one another, so it is asked as a program."""

    layer_requirements: tuple[str, ...]
    install_arguments: tuple[str, ...]
    base_requirements: tuple[str, ...]
    framework_requirements: dict[str, tuple[str, ...]]
    skops_requirements: tuple[str, ...]
    table_requirements: tuple[str, ...]
    digest: str


class RuntimeMissingError(Exception):
    """The runtime is not installed beside the deployer."""


async def read_recipe() -> Recipe:
    """Asks the runtime that is installed here.

    Raises:
        RuntimeMissingError: there is none.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kea_runtime.layer", "describe"), stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        problem = err.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeMissingError(problem)
    document = json.loads(out)
    return Recipe(
        layer_requirements=tuple(document["layer_requirements"]),
        install_arguments=tuple(document["install_arguments"]),
        base_requirements=tuple(document["base_requirements"]),
        framework_requirements={name: tuple(lines) for name, lines in document["framework_requirements"].items()},
        skops_requirements=tuple(document["skops_requirements"]),
        table_requirements=tuple(document["table_requirements"]),
        digest=str(document["digest"]),
    )


def requirements_of(model: ModelVersion, recipe: Recipe) -> tuple[str, ...]:
    """Returns what a model's environment must hold: its own requirements or its framework's, and what all need."""
    lines = [*(model.requirements or recipe.framework_requirements.get(model.framework, ()))]
    lines += recipe.base_requirements
    if model.entrypoint.endswith(".skops"):
        lines += recipe.skops_requirements
    if any(method.get("table") for method in model.signature["methods"]):
        lines += recipe.table_requirements
    return tuple(sorted(set(lines)))


def runtime_sources(directory: Path | str) -> list[str]:
    """Returns the command that copies the runtime's own sources into a layer."""
    return [sys.executable, "-m", "kea_runtime.layer", "copy", str(directory)]


def without_passwords(requirements: str) -> str:
    """Returns requirements as they may be shown: in logs, and in images."""
    return _PASSWORD.sub("***", requirements)
