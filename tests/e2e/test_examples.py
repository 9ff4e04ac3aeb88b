"""Every example runs as its README tells its reader to."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from platforms import EXAMPLES, RunningPlatform, environment

BIN = Path(sys.executable).parent


def commands(readme: Path) -> list[tuple[list[str], bool]]:
    """Returns the commands of a README's shell blocks, and for each whether it says that it is refused."""
    blocks = re.findall(r"```sh\n(.*?)```", readme.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [(shlex.split(line, comments=True), "# refused" in line) for line in lines]


@pytest.mark.parametrize("example", ["iris", "onnx", "grades"])
def test_what_the_readme_says_works(platform: RunningPlatform, tmp_path: Path, example: str) -> None:
    directory = tmp_path / example
    shutil.copytree(EXAMPLES / example, directory)
    run = commands(directory / "README.md")
    assert len(run) >= 4
    path = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    for command, refused in run:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment(platform) | path,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert (done.returncode != 0) is refused, f"{shlex.join(command)}: {done.stdout}{done.stderr}"


def test_grades_keeps_what_it_was_told(grades: RunningPlatform) -> None:
    grades.kea("predict", "grades/set_grades", "-d", '{"student": "ada", "grades": [5, 4]}')
    answer = grades.kea("predict", "grades/get_grades", "-d", '{"student": "ada"}').stdout
    assert json.loads(answer) == {"result": [5, 4]}
