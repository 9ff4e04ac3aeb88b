"""A model's packages: resolved for a target, with hashes, and laid out in a directory. Nothing of them is run."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from kea_deployer.builds.target import Target
from kea_deployer.provision.uv import Note, Uv


class Packages:
    """Asks uv. Wheels only: what is built from source runs its author's code, here.

    Args:
        uv: runs it.
        scratch: directory for files that are of no use afterwards.
    """

    def __init__(self, uv: Uv, scratch: Path) -> None:
        self._uv = uv
        self._scratch = scratch

    async def resolve(self, requirements: Sequence[str], target: Target, note: Note) -> str:
        """Returns what the requirements come to, a requirements file with exact versions and hashes.

        Raises:
            UvError: they cannot be met; the message is uv's.
        """
        with TemporaryDirectory(dir=self._scratch) as directory:
            # In a file, not on the command line: addresses in requirements may carry passwords.
            wanted, found = Path(directory, "requirements.in"), Path(directory, "requirements.txt")
            await asyncio.to_thread(wanted.write_text, "\n".join(requirements) + "\n")
            await self._uv.run(
                *("pip", "compile", "--generate-hashes", "--no-annotate", "--no-header", "--no-build"),
                *("--python", sys.executable, "--python-version", target.python, "--python-platform", target.wheels),
                *("--quiet", "--output-file", str(found), str(wanted)),
                note=note,
            )
            return await asyncio.to_thread(found.read_text)

    async def lay_out(self, lock: str, target: Target, directory: Path, note: Note) -> None:
        """Installs what was resolved into a directory.

        Raises:
            UvError: something cannot be had, or is not what its hash says.
        """
        with TemporaryDirectory(dir=self._scratch) as scratch:
            wanted = Path(scratch, "requirements.txt")
            await asyncio.to_thread(wanted.write_text, lock)
            await self._uv.run(
                *("pip", "install", "--require-hashes", "--no-deps", "--no-build", "--link-mode=copy"),
                *("--python", sys.executable, "--python-version", target.python, "--python-platform", target.wheels),
                *("--target", str(directory), "-r", str(wanted)),
                note=note,
            )
        await asyncio.to_thread(_make_portable, directory, target)

    async def compile(self, directory: Path, place: str, note: Note) -> None:
        """Compiles a directory such that the bytecode holds in its place in an image, whatever the files' times are.

        Raises:
            UvError: the compiler was ended.
        """
        note("compiling")
        await self._uv.run_program([sys.executable, "-m", "kea_deployer.builds.bytecode", str(directory), place], note)


def _make_portable(directory: Path, target: Target) -> None:
    """Removes what depends on where and by what the packages were laid out."""
    for lock in directory.glob("*.lock"):
        lock.unlink()
    for cache in list(directory.rglob("__pycache__")):
        shutil.rmtree(cache)
    interpreter = f"#!{sys.executable}\n".encode()
    for script in (directory / "bin").glob("*"):
        if script.is_file() and not script.is_symlink():
            content = script.read_bytes()
            if content.startswith(interpreter):
                rest = content.removeprefix(interpreter)
                script.write_bytes(f"#!/usr/bin/env python{target.python}\n".encode() + rest)
