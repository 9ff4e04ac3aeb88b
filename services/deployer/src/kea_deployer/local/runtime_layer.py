"""The model server's own packages, laid out once beside all models' (`kea_runtime.layer` says of what)."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path

from kea_deployer.local.bytecode import reuse_bytecode
from kea_deployer.local.content import Directories
from kea_deployer.local.uv import Note, Uv


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


def layer_name(recipe: Recipe) -> str:
    """Returns the name of the layer, for this machine's Python version."""
    return f"{recipe.digest[:32]}-{sys.version_info.major}.{sys.version_info.minor}"


class Layers:
    """Lays the layer out, once for each content and Python version."""

    def __init__(self, directories: Directories, uv: Uv) -> None:
        self._directories = directories
        self._uv = uv

    async def get(self, recipe: Recipe, note: Note) -> Path:
        """Returns the layer's directory.

        Raises:
            UvError: its packages cannot be laid out.
        """

        async def make(directory: Path) -> None:
            note("laying out the model server")
            await self._uv.run(
                *("pip", "install", "--target", str(directory), "--python", sys.executable),
                *(*recipe.install_arguments, *recipe.layer_requirements),
                note=note,
            )
            copy = [sys.executable, "-m", "kea_runtime.layer", "copy", str(directory)]
            await self._uv.run_program(copy, note)
            await asyncio.to_thread(reuse_bytecode, directory)

        return await self._directories.get(layer_name(recipe), make)
