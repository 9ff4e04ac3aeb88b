"""The model server's own packages, laid out once beside all models' (`kea_runtime.layer` says of what)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from kea_deployer.local.bytecode import reuse_bytecode
from kea_deployer.provision.content import Directories
from kea_deployer.provision.recipe import Recipe, runtime_sources
from kea_deployer.provision.uv import Note, Uv


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
            await self._uv.run_program(runtime_sources(directory), note)
            await asyncio.to_thread(reuse_bytecode, directory)

        return await self._directories.get(layer_name(recipe), make)
