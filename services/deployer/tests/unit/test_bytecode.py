from __future__ import annotations

import compileall
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kea_deployer.local.bytecode import packages_of, reuse_bytecode

HERE = f".{sys.implementation.cache_tag}.pyc"
SOURCE = "NAME = 'kept'\n"


def packages(directory: Path, sources: dict[str, str]) -> Path:
    for name, text in sources.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def donor(tmp_path: Path, sources: dict[str, str]) -> Path:
    made = packages(tmp_path / "donor", sources)
    compileall.compile_dir(made, quiet=2)
    return made


def test_what_is_reused_is_what_python_loads(tmp_path: Path) -> None:
    given = donor(tmp_path, {"a/__init__.py": "", "a/b.py": SOURCE})
    new = packages(tmp_path / "new", {"a/__init__.py": "", "a/b.py": SOURCE})
    os.utime(new / "a" / "b.py", (1, 1))
    assert reuse_bytecode(new, given) == 2
    # `-v` tells where each module's code comes from.
    told = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-v", "-B", "-S", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import a.b", str(new)],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    assert f"code object from '{new}/a/__pycache__/b{HERE}'" in told


def test_a_traceback_names_the_file_that_runs(tmp_path: Path) -> None:
    given = donor(tmp_path, {"a.py": "1 / 0\n"})
    new = packages(tmp_path / "new", {"a.py": "1 / 0\n"})
    reuse_bytecode(new, given)
    told = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import a", str(new)],
        check=False,
        capture_output=True,
        text=True,
    ).stderr
    assert f'File "{new}/a.py", line 1' in told


@pytest.mark.parametrize("what", ["another source", "stale bytecode", "another Python's", "no bytecode", "half a file"])
def test_nothing_else_is_reused(tmp_path: Path, what: str) -> None:
    given = donor(tmp_path, {"a.py": SOURCE})
    compiled = given / "__pycache__" / f"a{HERE}"
    new = packages(tmp_path / "new", {"a.py": SOURCE.replace("kept", "lost") if what == "another source" else SOURCE})
    if what == "stale bytecode":
        os.utime(given / "a.py", (1, 1))
    elif what == "another Python's":
        compiled.write_bytes(b"\0\0\r\n" + compiled.read_bytes()[4:])
    elif what == "no bytecode":
        compiled.unlink()
    elif what == "half a file":
        compiled.write_bytes(compiled.read_bytes()[:12])
    assert reuse_bytecode(new, given) == 0
    assert not (new / "__pycache__").exists()


def test_the_packages_of_an_environment_are_where_its_interpreter_looks(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "e")], check=True)  # noqa: S603 - this interpreter
    told = subprocess.run(  # noqa: S603 - the interpreter just made
        [str(tmp_path / "e" / "bin" / "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert packages_of(tmp_path / "e") == Path(told.strip())
