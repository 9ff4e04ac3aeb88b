"""The real uv on distributions made here: nothing is fetched."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import os
import sys
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kea_deployer.builds.packages import Packages
from kea_deployer.builds.target import Target
from kea_deployer.provision.uv import Uv, UvError

TARGET = Target.parse("linux/amd64", f"{sys.version_info.major}.{sys.version_info.minor}")
SCRIPTS = "tool-1.0.data/scripts"
FILES = {
    "tool/__init__.py": b"def main():\n    print('it works')\n",
    "tool/__pycache__/__init__.cpython-39.pyc": b"of its author's machine",
    "tool-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n",
    "tool-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tool-1.0.dist-info/entry_points.txt": b"[console_scripts]\nsay = tool:main\n",
    f"{SCRIPTS}/of-python": b"#!python\nimport tool; tool.main()\n",
    f"{SCRIPTS}/of-shell": b"#!/bin/sh\necho it works\n",
    f"{SCRIPTS}/native": b"\x7fELF\xff",
}


def ignore(_: str) -> None:
    pass


@pytest.fixture
def packages(lifeline: Any, tmp_path: Path) -> Packages:
    (tmp_path / "scratch").mkdir()
    return Packages(Uv(lifeline.fd, os.environ), tmp_path / "scratch")


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def make_wheel(directory: Path, files: Mapping[str, bytes] = FILES) -> str:
    """Makes a wheel; returns a requirement with its hash."""
    path = directory / "tool-1.0-py3-none-any.whl"
    record = "".join(f"{name},sha256={digest(content)},{len(content)}\n" for name, content in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr("tool-1.0.dist-info/RECORD", f"{record}tool-1.0.dist-info/RECORD,,\n")
    return f"tool @ file://{path} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def content_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["another", "a path with spaces", "long" * 40])
async def test_what_is_laid_out_is_the_same_whatever_python_uv_ran_for(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    lock = make_wheel(tmp_path)
    await packages.lay_out(lock, TARGET, tmp_path / "one", ignore)
    await asyncio.to_thread(venv.create, tmp_path / name, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / name / "bin" / "python"))
    await packages.lay_out(lock, TARGET, tmp_path / "two", ignore)
    found = content_of(tmp_path / "one")
    assert content_of(tmp_path / "two") == found
    assert not [path for path in found if "pycache" in path or path.endswith(".lock")]
    assert not list((tmp_path / "scratch").iterdir())


async def test_scripts_run_on_whatever_python_the_image_has(packages: Packages, tmp_path: Path) -> None:
    await packages.lay_out(make_wheel(tmp_path), TARGET, tmp_path / "out", ignore)
    scripts = content_of(tmp_path / "out" / "bin")
    assert scripts["of-shell"] == FILES[f"{SCRIPTS}/of-shell"]
    assert scripts["native"] == FILES[f"{SCRIPTS}/native"]
    # As on a machine whose `python3.N` is this one.
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / f"python{TARGET.python}").symlink_to(sys.executable)
    environ = {"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "out")}
    for name in ("say", "of-python"):
        assert scripts[name].startswith(f"#!/usr/bin/env python{TARGET.python}\n".encode())
        process = await asyncio.create_subprocess_exec(
            tmp_path / "out" / "bin" / name, env=environ, stdout=asyncio.subprocess.PIPE
        )
        assert (await process.communicate())[0] == b"it works\n"


async def test_the_records_of_distributions_stay_true(packages: Packages, tmp_path: Path) -> None:
    await packages.lay_out(make_wheel(tmp_path), TARGET, tmp_path / "out", ignore)
    found = content_of(tmp_path / "out")
    rows = list(csv.reader(io.StringIO(found["tool-1.0.dist-info/RECORD"].decode())))
    assert {f"bin/{name}" for name in ("say", "of-python", "of-shell", "native")} < {row[0] for row in rows}
    hashed = [row for row in rows if row[1] and "__pycache__" not in row[0]]
    assert [row[1:] for row in hashed] == [
        [f"sha256={digest(found[row[0]])}", f"{len(found[row[0]])}"] for row in hashed
    ]


async def test_another_file_than_was_resolved_is_refused(packages: Packages, tmp_path: Path) -> None:
    lock = make_wheel(tmp_path)
    make_wheel(tmp_path, FILES | {"tool/__init__.py": b"import os; os.abort()\n"})
    with pytest.raises(UvError, match="Hash mismatch"):
        await packages.lay_out(lock, TARGET, tmp_path / "out", ignore)


async def test_nothing_is_built_from_source_as_that_runs_it(packages: Packages, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    setup = f"open({str(ran)!r}, 'w')\nimport setuptools; setuptools.setup(name='tool', version='1.0')\n".encode()
    path = tmp_path / "tool-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("tool-1.0/setup.py")
        entry.size = len(setup)
        archive.addfile(entry, io.BytesIO(setup))
    with pytest.raises(UvError, match=r"Building source distributions .*is disabled"):
        await packages.resolve([f"tool @ file://{path}"], TARGET, ignore)
    hashed = f"tool @ file://{path} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    with pytest.raises(UvError, match=r"Building source distributions .*is disabled"):
        await packages.lay_out(hashed, TARGET, tmp_path / "out", ignore)
    assert not ran.exists()
    assert not list((tmp_path / "scratch").iterdir())


async def test_what_is_resolved_has_hashes_and_can_be_laid_out(packages: Packages, tmp_path: Path) -> None:
    wanted = make_wheel(tmp_path).partition(" --hash")[0]
    lock = await packages.resolve([wanted, f"{wanted} ; python_version < '3'"], TARGET, ignore)
    assert lock.startswith(wanted)
    assert "--hash=sha256:" in lock
    await packages.lay_out(lock, TARGET, tmp_path / "out", ignore)
    assert (tmp_path / "out" / "tool" / "__init__.py").read_bytes() == FILES["tool/__init__.py"]
    assert str(tmp_path / "scratch") not in lock


async def test_packages_are_compiled_for_their_place_in_the_image(packages: Packages, tmp_path: Path) -> None:
    await packages.lay_out(make_wheel(tmp_path), TARGET, tmp_path / "out", ignore)
    await packages.compile(tmp_path / "out", "/kea/packages", ignore)
    (made,) = (tmp_path / "out").rglob("*.pyc")
    assert b"/kea/packages/tool/__init__.py" in made.read_bytes()
    assert str(tmp_path).encode() not in made.read_bytes()
