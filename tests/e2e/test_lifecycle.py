"""Versions, aliases, replicas, logs: the everyday of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from callers import Callers
from platforms import RunningPlatform, save_iris, until

GOOD = """
class Greeter:
    def greet(self, name: str) -> str:
        '''Greets.'''
        return 'hello ' + name
"""
BAD = """
raise RuntimeError('no such disk')

class Greeter:
    def greet(self, name: str) -> str:
        return name
"""
TALKER = """
class Talker:
    def talk(self, text: str) -> str:
        '''Talks.'''
        print('said', text, flush=True)
        return text
"""


def targets(platform: RunningPlatform) -> Any:
    return platform.kea_json("endpoints", "get", "iris")["endpoint"]["targets"]


def test_a_new_version_replaces_the_old_without_a_failed_request(iris: RunningPlatform, tmp_path: Path) -> None:
    model, example = save_iris(tmp_path)
    before = targets(iris)
    with Callers(iris, 2) as callers:
        until(lambda: callers.calls > 20)
        iris.kea("models", "push", "iris", str(model), "--example", str(example))
        iris.kea("deploy", "iris")
        enough = callers.calls + 100
        until(lambda: callers.calls > enough)
    assert not callers.failures, callers.failures[:3]
    assert targets(iris) != before
    (was,) = before
    iris.kea("models", "alias", "iris", "champion", was["deployment"].removeprefix("iris-v").partition("-")[0])
    iris.kea("deploy", "iris@champion")
    (now,) = targets(iris)
    assert now["deployment"].startswith(was["deployment"])


def test_a_rollback_serves_what_was_before_without_a_failed_request(iris: RunningPlatform, tmp_path: Path) -> None:
    model, example = save_iris(tmp_path)
    for name in ("models", "push", "rolled", str(model), "--example", str(example)), ("deploy", "rolled"):
        iris.kea(*name)
    iris.kea("models", "push", "rolled", str(model), "--example", str(example))
    iris.kea("deploy", "rolled", "--replicas", "2")
    with Callers(iris, 2, model="rolled") as callers:
        until(lambda: callers.calls > 20)
        done = iris.kea_json("rollback", "rolled")
        enough = callers.calls + 100
        until(lambda: callers.calls > enough)
    assert not callers.failures, callers.failures[:3]
    assert (done["deployment"]["version"], done["deployment"]["replicas"]) == (1, 2)
    until(lambda: [served(entry) for entry in iris.kea_json("endpoints", "revisions", "rolled")] == [1, 2, 1])
    assert iris.kea("rollback", "rolled", "--to", "7", check=False).stderr.startswith(
        "error: endpoint 'rolled' has no revision 7; kept are: 3, 2, 1"
    )
    iris.kea("undeploy", "rolled")


def served(revision: Any) -> int:
    (target,) = revision["targets"]
    return int(target["version"])


def test_a_model_that_cannot_load_says_why_and_the_old_one_serves_on(iris: RunningPlatform, tmp_path: Path) -> None:
    source = tmp_path / "greeter.py"
    source.write_text(GOOD)
    iris.kea("models", "push", "greeter", str(source))
    iris.kea("deploy", "greeter")
    source.write_text(BAD)
    iris.kea("models", "push", "greeter", str(source))
    failed = iris.kea("deploy", "greeter", check=False)
    assert failed.returncode != 0
    told = failed.stderr.strip().splitlines()[-1]
    assert "RuntimeError: no such disk [MODEL_LOAD_FAILED]" in told
    answer = iris.kea("predict", "greeter/greet", "-d", '{"name": "Ada"}').stdout
    assert json.loads(answer) == {"result": "hello Ada"}


def test_requirements_that_cannot_be_had_say_so(iris: RunningPlatform, tmp_path: Path) -> None:
    source = tmp_path / "greeter.py"
    source.write_text(GOOD)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy==0.0.99\n")
    iris.kea("models", "push", "needy", str(source), "--requirements", str(requirements))
    failed = iris.kea("deploy", "needy", check=False)
    assert failed.returncode != 0
    assert "numpy" in failed.stderr
    assert "0.0.99" in failed.stderr


def test_two_models_may_need_different_versions_of_a_package(iris: RunningPlatform, tmp_path: Path) -> None:
    source = tmp_path / "which.py"
    source.write_text(
        "import click, importlib.metadata\n\nclass Which:\n    def version(self) -> str:\n        '''Tells.'''\n"
        "        return importlib.metadata.version('click') + ' ' + click.__version__\n"
    )
    for name, version in (("old", "7.1.2"), ("new", "8.1.8")):
        requirements = tmp_path / f"{name}.txt"
        requirements.write_text(f"click=={version}\n")
        iris.kea("models", "push", f"which-{name}", str(source), "--requirements", str(requirements))
        iris.kea("deploy", f"which-{name}")
        answer = iris.kea("predict", f"which-{name}/version", "-d", "{}").stdout
        assert json.loads(answer) == {"result": f"{version} {version}"}


def test_logs_tell_what_the_model_wrote(iris: RunningPlatform, tmp_path: Path) -> None:
    source = tmp_path / "talker.py"
    source.write_text(TALKER)
    iris.kea("models", "push", "talker", str(source))
    iris.kea("deploy", "talker")
    iris.kea("predict", "talker/talk", "-d", '{"text": "something unheard of"}')
    until(lambda: "said something unheard of" in iris.kea("logs", "talker").stdout)


def test_undeploy_takes_the_endpoint_and_its_replicas_away(iris: RunningPlatform, tmp_path: Path) -> None:
    source = tmp_path / "greeter.py"
    source.write_text(GOOD)
    iris.kea("models", "push", "brief", str(source))
    iris.kea("deploy", "brief", "--replicas", "2")
    iris.kea("undeploy", "brief")
    with iris.client() as client:
        until(lambda: client.post("/models/brief/greet", json={"name": "x"}).status_code == 404)
        deployments = client.get("/api/v1/projects/default/deployments").json().get("deployments", [])
    assert not [entry for entry in deployments if "/brief-" in entry["name"]]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("models", "get", "nobody"), 3),
        (("endpoints", "get", "nobody"), 3),
        (("deploy", "nobody"), 3),
        (("deploy", "iris:99"), 3),
        (("predict", "iris", "-d", '{"input": [[1]]}'), 6),
        (("predict", "nobody", "-d", "{}"), 3),
        (("models", "alias", "iris", "latest", "1"), 6),
        (("nonsense",), 2),
    ],
)
def test_errors_are_one_line_with_an_exit_code(iris: RunningPlatform, arguments: tuple[str, ...], code: int) -> None:
    done = iris.kea(*arguments, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
