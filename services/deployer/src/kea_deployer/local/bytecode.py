"""Bytecode that was compiled before, for a new environment: else its first import compiles half of scikit-learn."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

_HEADER_BYTES = 16
"""Magic number, flags, source's time of change, source's size; 4 bytes each (PEP 552)."""
_SUFFIX = f".{sys.implementation.cache_tag}.pyc"


def packages_of(prefix: Path) -> Path:
    """Returns where a virtual environment of this interpreter has its packages."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(prefix)}))


def reuse_bytecode(directory: Path, donor: Path | None = None) -> int:
    """Copies what `donor` has compiled into `directory`, for each source file that both hold with the same content.

    Both are directories that packages are installed into, for this interpreter. The donor is KEA's own unless given,
    never another model's: what it holds is trusted. Returns the number of files copied.
    """
    donor = donor or Path(sysconfig.get_path("purelib"))
    copied = 0
    for path, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name != "__pycache__"]
        here, there = Path(path), donor / os.path.relpath(path, directory)
        sources = {name.removesuffix(".py") for name in files if name.endswith(".py")}
        compiled = {name.removesuffix(_SUFFIX) for name in _names(there / "__pycache__") if name.endswith(_SUFFIX)}
        for name in sources & compiled:
            copied += _reuse(there, here, name)
    return copied


def _names(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(directory)]
    except OSError:
        return []


def _reuse(there: Path, here: Path, name: str) -> bool:
    old, new = there / f"{name}.py", here / f"{name}.py"
    file = f"{name}{_SUFFIX}"
    try:
        code = (there / "__pycache__" / file).read_bytes()
        old_stat, new_stat = old.stat(), new.stat()
        fresh = code[:_HEADER_BYTES] == _header(old_stat)
        if not fresh or not (os.path.samestat(old_stat, new_stat) or old.read_bytes() == new.read_bytes()):
            return False
        cache = here / "__pycache__"
        cache.mkdir(exist_ok=True)
        # The import system sets the path of the code's own file anew when it loads it.
        (cache / file).write_bytes(_header(new_stat) + code[_HEADER_BYTES:])
    except OSError:
        return False  # a source that is gone, or cannot be read: it is compiled when it is imported
    return True


def _header(source: os.stat_result) -> bytes:
    """Returns the head of bytecode that is valid while the source has this time and size."""
    time, size = int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF
    return importlib.util.MAGIC_NUMBER + bytes(4) + time.to_bytes(4, "little") + size.to_bytes(4, "little")
