from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from kea_sdk.cli.main import run
from kea_sdk.platform.errors import PlatformError
from kea_sdk.platform.layout import layout_of
from kea_sdk.platform.platform import only_one
from kea_sdk.platform.state import PlatformState, read_status

pytestmark = pytest.mark.usefixtures("runtime")

KEA = [sys.executable, "-m", "kea_sdk.cli"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def silent_envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Envoy that never answers: the platform goes on starting."""
    program = tmp_path / "envoy"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setenv("KEA_ENVOY", str(program))


def kea(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the command itself is what is tested
        [*KEA, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )


def refused(*arguments: object, code: int = 1) -> str:
    """Runs `kea` and returns the one line that says why it does not do what it should."""
    done = kea(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done
    (line,) = done.stderr.splitlines()
    return line


def until(condition: Callable[[], Any]) -> Any:
    """Returns the first true value; what other processes do raises no event here."""
    deadline = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_taken_port_is_said_in_one_line(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("up", "--data", data, "--port", port)
    assert line == f"error: 127.0.0.1:{port} cannot be used: Address already in use; choose another with --port"


@pytest.mark.parametrize("detached", [(), ("--detach",)])
def test_a_missing_envoy_is_said_in_one_line(
    data: Path, port: int, detached: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEA_ENVOY", "/nope")
    line = refused("up", "--data", data, "--port", port, *detached)
    assert line == "error: KEA_ENVOY is '/nope', which is no program that can be run"


def test_taken_data_is_said_in_one_line_and_who_runs_on_it(data: Path, port: int) -> None:
    layout = layout_of(data)
    layout.prepare()
    layout.state.write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": 7}))
    with only_one(layout):
        line = refused("up", "--data", data, "--port", port)
    assert line == (f"error: a platform runs on {data} already (http://127.0.0.1:1, pid 7); stop it with `kea down`")


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_only_one_platform_runs_on_data_whatever_its_state_says(data: Path, content: str) -> None:
    layout = layout_of(data)
    layout.prepare()
    layout.state.write_text(content)
    with only_one(layout), pytest.raises(PlatformError, match=r"already; stop it"), only_one(layout):
        pass
    with only_one(layout):  # it is let go of
        pass


@pytest.mark.parametrize("host", ["localhost"])
def test_what_is_no_address_to_listen_on_is_said_in_one_line(data: Path, host: str) -> None:
    line = refused("up", "--data", data, "--host", host)
    assert line == f"error: {host!r} is no IP address to listen on; expected for example 127.0.0.1 or 0.0.0.0"


def test_a_database_of_another_kind_is_refused_without_showing_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEA_DATABASE", "mysql://root:hunter2@db/kea")
    line = refused("up", "--data", data, code=6)
    assert line.startswith("error: KEA_DATABASE is not usable; expected postgresql://")
    assert "hunter2" not in line


def test_a_database_that_does_not_answer_is_said_without_its_password(
    data: Path, port: int, silent_envoy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEA_DATABASE", "postgresql://root:hunter2@127.0.0.1:9/kea")
    done = kea("up", "--data", data, "--port", port)
    assert done.returncode == 1
    assert re.match(r"error: \w+ failed: \w+: ", done.stderr.splitlines()[-1])
    assert "hunter2" not in done.stderr


def test_data_that_others_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    assert "is shared with others" in refused("up", "--data", tmp_path / "shared")


def test_where_nothing_runs_status_and_down_say_so(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for output, state in ((json.loads, "json"), (yaml.safe_load, "yaml")):
        assert run(["status", "--data", str(data), "-o", state]) == 7
        assert output(capsys.readouterr().out)["state"] == "stopped"
    assert run(["status", "--data", str(data)]) == 7
    assert capsys.readouterr() == (f"KEA is stopped; data in {data}\n", "")
    assert run(["down", "--data", str(data)]) == 0
    assert capsys.readouterr().out == "KEA was not running\n"
    assert run(["down", "--data", str(data), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": False}
    assert not data.exists()


def test_a_platform_that_is_starting_is_seen_and_stopped(data: Path, port: int, silent_envoy: None) -> None:
    with subprocess.Popen(  # noqa: S603
        [*KEA, "up", "--data", str(data), "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as platform:
        state = layout_of(data).state
        until(lambda: len(read_status(state, data).processes) == 6)
        done = kea("status", "--data", data)
        assert done.returncode == 7
        assert done.stdout.startswith(f"KEA is starting at http://127.0.0.1:{port}; data in {data}\n")
        assert "envoy" in done.stdout
        children = psutil.Process(platform.pid).children(recursive=True)
        assert kea("down", "--data", data).stdout == "KEA is stopped\n"
        out, _ = platform.communicate(timeout=30)
        assert (platform.returncode, out) == (0, b"")
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert json.loads(state.read_text())["state"] == "stopped"


@contextmanager
def heeding(number: signal.Signals) -> Generator[None, None, None]:
    """Has what is started meanwhile heed a signal. Under nohup, and in the background of a shell, some are ignored."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_platform_ends_well_at_a_signal(data: Path, port: int, silent_envoy: None, number: signal.Signals) -> None:
    with heeding(number):
        platform = subprocess.Popen(  # noqa: S603
            [*KEA, "up", "--data", str(data), "--port", str(port)], stderr=subprocess.DEVNULL
        )
    with platform:
        until(lambda: read_status(layout_of(data).state, data).processes)
        platform.send_signal(number)
        assert platform.wait(30) == 0


def test_who_does_not_wait_for_a_detached_platform_does_not_get_it(data: Path, port: int, silent_envoy: None) -> None:
    with heeding(signal.SIGINT):
        command = subprocess.Popen(  # noqa: S603
            [*KEA, "up", "--detach", "--data", str(data), "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    with command:
        pid = until(lambda: read_status(layout_of(data).state, data).pid)
        assert pid != command.pid
        command.send_signal(signal.SIGINT)
        assert command.communicate(timeout=30) == (b"", b"")
        assert command.returncode == 130
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert read_status(layout_of(data).state, data).state is PlatformState.STOPPED


def test_a_stale_state_is_no_platform_that_could_be_stopped(data: Path) -> None:
    layout = layout_of(data)
    layout.prepare()
    status = {"state": "ready", "url": "http://127.0.0.1:1", "data": str(data), "pid": os.getpid(), "processes": []}
    layout.state.write_text(json.dumps({**status, "create_time": 1.0}))  # this test's pid, of another process once
    assert kea("down", "--data", data).stdout == "KEA was not running\n"
