"""The compiler of images; what local environments reuse is test_bytecode.py's."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path
from types import CodeType

PLACE = "/kea/packages"
SETS = "def known(name):\n    return name in {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}\n"
SOURCES = {
    "sets.py": SETS,
    "a/__init__.py": "",
    "a/deep.py": "class Deep:\n    def fail(self):\n        raise ValueError('sets')\n",
    "a/noisy.py": "'a' is 'b'\n",  # a warning, for which the compiler imports more
    "old.py": "print 'of another Python'\n",
    "broken.py": "def (:\n",
    "zero.py": "a = 1\0\n",
    "latin.py": "a = '\udcff'\n",
}
HEADER_BYTES = 16
UNCHECKED = (1).to_bytes(4, "little")
TAG = f".{sys.implementation.cache_tag}.pyc"


def compiled(directory: Path, seed: str) -> dict[str, bytes]:
    """Writes the sources into a directory, compiles it, and returns the bytecode."""
    for name, text in SOURCES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, errors="surrogateescape")
        os.utime(path, (int(seed), int(seed)))
    command = [sys.executable, "-m", "kea_deployer.builds.bytecode", str(directory), PLACE]
    done = subprocess.run(  # noqa: S603 - the compiler
        command, env=os.environ | {"PYTHONHASHSEED": seed}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.pyc")}


def places(code: CodeType) -> set[str]:
    """Returns the files that a module's code, and all within it, say they are from."""
    return {code.co_filename}.union(*(places(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def test_the_same_sources_are_the_same_bytes_wherever_whenever_and_by_whom(tmp_path: Path) -> None:
    one = compiled(tmp_path / "one", "1")
    assert one == compiled(tmp_path / "somewhere" / "else", "2")
    # What cannot be compiled is left to whoever imports it.
    names = ("__pycache__/sets", "a/__pycache__/__init__", "a/__pycache__/deep", "a/__pycache__/noisy")
    assert one.keys() == {f"{name}{TAG}" for name in names}
    for name, content in one.items():
        assert content[4:8] == UNCHECKED  # PEP 552: never compared with the source
        source = name.replace("__pycache__/", "").replace(TAG, ".py")
        assert places(marshal.loads(content[HEADER_BYTES:])) == {f"{PLACE}/{source}"}  # noqa: S302 - just written


def test_python_loads_it_and_tracebacks_name_the_file_that_runs(tmp_path: Path) -> None:
    compiled(tmp_path, "1")
    (tmp_path / "a" / "deep.py").write_text("raise SystemExit('the source was compiled again')\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import a.deep; a.deep.Deep().fail()"
    told = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stderr  # noqa: S603 - this interpreter
    assert told.endswith("ValueError: sets\n")
    assert f'File "{tmp_path}/a/deep.py", line 3' in told
