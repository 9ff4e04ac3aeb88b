"""Compiles a directory for an image: `python -m kea_deployer.builds.bytecode DIRECTORY PLACE`.

A process of its own, since the same bytes come out only where nothing else has happened before (marshal writes what
is shared in memory once). The bytecode is unchecked (PEP 552): the files of an image have no times, and never change.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import sys

WORKERS = 2


def main() -> int:
    """Compiles; a file that is no Python of this version is left to whoever imports it."""
    directory, place = sys.argv[1:]
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of the bytecode
        os.execve(  # noqa: S606 - this program, once more
            sys.executable,
            [sys.executable, "-m", "kea_deployer.builds.bytecode", directory, place],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    compileall.compile_dir(
        directory,
        maxlevels=64,
        force=True,
        quiet=2,
        workers=WORKERS,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        stripdir=directory,
        prependdir=place,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
