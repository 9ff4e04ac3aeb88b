"""Python environments of models, laid out by uv and cached by content."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kea_deployer.local.bytecode import packages_of, reuse_bytecode
from kea_deployer.provision.content import Directories
from kea_deployer.provision.uv import Note, Uv


def environment_name(requirements: Sequence[str]) -> str:
    """Returns the name of the environment with these requirements, for this machine's interpreter."""
    content = json.dumps([sys.version, sys.base_prefix, sorted(requirements)])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


class Environments:
    """Lays environments out, once for each content."""

    def __init__(self, directories: Directories, uv: Uv) -> None:
        self._directories = directories
        self._uv = uv

    async def get(self, requirements: Sequence[str], note: Note) -> Path:
        """Returns the interpreter of an environment with these requirements.

        Raises:
            UvError: they cannot be resolved or installed; the message is uv's.
        """

        async def make(directory: Path) -> None:
            # In a file, not on the command line: addresses in requirements may carry passwords.
            wanted = directory / "requirements.txt"
            wanted.write_text("\n".join(requirements) + "\n")
            # Relocatable: it is made beside its place and moved there when it is whole.
            await self._uv.run(
                *("venv", "--relocatable", "--allow-existing", "--no-project", "--quiet"),
                *("--python", sys.executable, str(directory)),
                note=note,
            )
            await self._uv.run(
                *("pip", "install", "--python", str(directory / "bin" / "python"), "-r", str(wanted)), note=note
            )
            await asyncio.to_thread(reuse_bytecode, packages_of(directory))

        return await self._directories.get(environment_name(requirements), make) / "bin" / "python"
