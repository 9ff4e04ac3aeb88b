"""Every example runs as its reader would run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from platforms import EXAMPLES, RunningPlatform, environment


def run(platform: RunningPlatform, script: Path, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=directory,
        env=environment(platform),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_iris(platform: RunningPlatform, tmp_path: Path) -> None:
    run(platform, EXAMPLES / "iris" / "train.py", tmp_path)
    platform.kea("deploy", "iris", "--endpoint", "iris-example")
    answer = platform.kea("predict", "iris-example", "-d", '{"input": [[5.1, 3.5, 1.4, 0.2]]}').stdout
    assert "output" in json.loads(answer)


def test_onnx(platform: RunningPlatform, tmp_path: Path) -> None:
    run(platform, EXAMPLES / "onnx" / "train.py", tmp_path)
    models = {entry["name"].rpartition("/")[2] for entry in platform.kea_json("models", "list")}
    assert models & {"digits", "iris-onnx", "onnx"}


def test_grades_has_two_methods(grades: RunningPlatform) -> None:
    grades.kea("predict", "grades/set_grades", "-d", '{"student": "ada", "grades": [5, 4]}')
    answer = grades.kea("predict", "grades/get_grades", "-d", '{"student": "ada"}').stdout
    assert json.loads(answer) == {"result": [5, 4]}
