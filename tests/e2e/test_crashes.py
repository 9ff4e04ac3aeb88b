"""What dies comes back; what must go on goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from callers import FLOWER, Callers
from platforms import KEA, RunningPlatform, environment, free_port, save_iris, start, stop, until


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def separate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RunningPlatform, None, None]:
    """A platform of several processes on each database, with the iris model on two replicas."""
    directory = tmp_path_factory.mktemp("separate")
    database = str(request.getfixturevalue("postgresql")) if request.param == "postgresql" else ""
    running = start(directory / "data", "--processes", database=database)
    try:
        model, example = save_iris(directory)
        running.kea("models", "push", "iris", str(model), "--example", str(example))
        running.kea("deploy", "iris", "--replicas", "2")
        yield running
    finally:
        stop(running)


@pytest.mark.parametrize("service", ["auth", "registry", "deployer", "router"])
def test_killing_a_service_loses_no_prediction_and_it_comes_back(separate: RunningPlatform, service: str) -> None:
    before = separate.kea_json("endpoints", "list")
    killed = separate.processes()[service]["pid"]
    with Callers(separate) as callers:
        os.kill(killed, signal.SIGKILL)

        def back() -> bool:
            now = separate.processes()[service]
            return now["state"] == "running" and now["pid"] not in {0, killed}

        until(back)
        until(lambda: separate.kea("endpoints", "list", check=False).returncode == 0)
        enough = callers.calls + 200
        until(lambda: callers.calls > enough)
    assert not callers.failures, callers.failures[:3]
    until(lambda: separate.kea_json("endpoints", "list") == before)
    separate.kea("deploy", "iris", "--replicas", "2")


@pytest.mark.parametrize("retry", ["unsent", "unanswered"])
def test_killing_a_replica_loses_no_prediction_and_it_comes_back(separate: RunningPlatform, retry: str) -> None:
    """By default those are lost that the replica had in hand, and their callers are told."""
    separate.kea("endpoints", "update", "iris", "--retry", retry)
    with separate.client() as client:

        def pids() -> set[int]:
            found = client.get("/api/v1/projects/default/deployments/iris-v1").json().get("replicas", [])
            return {int(entry["pid"]) for entry in found if entry["state"] == "STATE_READY"}

        before = until(lambda: len(pids()) == 2 and pids())
        victim = min(before)
        with Callers(separate) as callers:
            os.kill(victim, signal.SIGKILL)
            until(lambda: len(pids()) == 2 and victim not in pids())
            enough = callers.calls + 200
            until(lambda: callers.calls > enough)
        lost = [failure for failure in callers.failures if retry == "unsent" and "REPLICA_LOST" in failure]
        assert len(lost) <= callers.count
        assert callers.failures == lost


@pytest.mark.parametrize("mode", [(), ("--processes",)])
def test_killing_the_platform_leaves_no_orphan_and_it_starts_again_on_what_was(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    platform = start(tmp_path / "data", *mode)
    try:
        model, example = save_iris(tmp_path)
        platform.kea("models", "push", "iris", str(model), "--example", str(example))
        platform.kea("deploy", "iris")
        top = psutil.Process(platform.kea_json("status")["pid"])
        family = [top, *top.children(recursive=True)]
        assert len(family) > 2
        top.kill()
        gone, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, alive
        assert len(gone) == len(family)
        start(tmp_path / "data", *mode, port=platform.port)
        with platform.client() as client:
            until(lambda: client.post("/models/iris/predict", json=FLOWER).status_code == 200)
    finally:
        stop(platform)


def test_a_second_platform_on_the_same_data_or_port_is_refused_in_one_line(
    iris: RunningPlatform, tmp_path: Path
) -> None:
    for arguments, told in (
        (["--data", str(iris.data), "--port", str(free_port())], "already"),
        (["--data", str(tmp_path / "data"), "--port", str(iris.port)], str(iris.port)),
    ):
        done = subprocess.run(
            [KEA, "up", *arguments], capture_output=True, text=True, timeout=60, check=False, env=environment(iris)
        )
        assert done.returncode == 1
        assert told in done.stderr
        assert "Traceback" not in done.stderr
