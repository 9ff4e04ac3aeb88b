"""A model's packages: resolved for a target, with hashes, and laid out in a directory. Nothing of them is run."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from kea_deployer.builds.target import Target
from kea_deployer.provision.uv import Note, Uv

_WRAPPED = re.compile(rb"#!/bin/sh\n'''exec' [^\n]* \"\$0\" \"\$@\"\n' '''\n")
"""How uv, as pip, names an interpreter whose path is too long for `#!`, or has spaces: shell and Python read it."""


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


def remove_bytecode(directory: Path) -> None:
    """Removes what Python compiled: it names the place where, and the time when."""
    for cache in list(directory.rglob("__pycache__")):
        shutil.rmtree(cache)


def _make_portable(directory: Path, target: Target) -> None:
    """Removes what depends on where and by what the packages were laid out."""
    for lock in directory.glob("*.lock"):
        lock.unlink()
    remove_bytecode(directory)
    changed: dict[str, bytes] = {}
    for script in (directory / "bin").glob("*"):
        if script.is_file() and not script.is_symlink():
            rest = _after_interpreter(script.read_bytes())
            if rest is not None:
                changed[f"bin/{script.name}"] = f"#!/usr/bin/env python{target.python}\n".encode() + rest
                script.write_bytes(changed[f"bin/{script.name}"])
    for record in directory.glob("*.dist-info/RECORD"):
        _correct(record, changed)


def _after_interpreter(script: bytes) -> bytes | None:
    """Returns what follows where a script names the interpreter it is for; None where it does not."""
    plain = f"#!{sys.executable}\n".encode()
    if script.startswith(plain):
        return script.removeprefix(plain)
    found = _WRAPPED.match(script)
    return script[found.end() :] if found else None


def _correct(record: Path, changed: Mapping[str, bytes]) -> None:
    """Writes the hashes and sizes of files that were changed into a distribution's list of files (PEP 376)."""
    with record.open(newline="") as file:
        rows = list(csv.reader(file))
    if not any(row[0] in changed for row in rows if row):
        return
    for row in rows:
        if row and row[0] in changed:
            content = changed[row[0]]
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            row[1:] = [f"sha256={digest}", str(len(content))]
    with record.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
