from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from kea_sdk.platform.state import (
    PlatformState,
    PlatformStatus,
    ProcessState,
    ProcessStatus,
    is_alive,
    read_status,
    write_status,
)

STATUS = PlatformStatus(
    state=PlatformState.READY,
    url="http://127.0.0.1:8080",
    data="/data",
    pid=os.getpid(),
    create_time=psutil.Process().create_time(),
    processes=(ProcessStatus("envoy", 7, "127.0.0.1:8080", ProcessState.BACKING_OFF, 3),),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "platform.json"


def test_what_is_written_is_read(file: Path) -> None:
    write_status(file, STATUS)
    assert read_status(file, file.parent) == STATUS
    assert file.stat().st_mode & 0o777 == 0o600
    assert not file.with_suffix(".new").exists()


@pytest.mark.parametrize(
    "change", [{"create_time": STATUS.create_time - 10}, {"pid": 2**22 + 1}, {"pid": -1}, {"pid": 10**30}]
)
def test_a_process_that_is_not_the_one_that_wrote_it_means_that_none_runs(file: Path, change: dict[str, Any]) -> None:
    write_status(file, dataclasses.replace(STATUS, **change))
    found = read_status(file, file.parent)
    assert (found.state, found.pid, found.url, found.processes) == (PlatformState.STOPPED, 0, "", ())
    assert found.data == str(file.parent)


@pytest.mark.parametrize(
    "change", [{"state": "dancing"}, {"pid": "x"}, {"pid": None}, {"processes": [7]}, {"processes": None}]
)
def test_a_file_of_another_release_means_that_none_runs(file: Path, change: dict[str, Any]) -> None:
    file.write_text(json.dumps(STATUS.to_json() | change))
    assert read_status(file, file.parent).state is PlatformState.STOPPED


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"{"])
def test_a_file_that_cannot_be_read_means_that_none_runs(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read_status(file, file.parent).state is PlatformState.STOPPED


def test_no_file_means_that_none_runs(file: Path) -> None:
    assert read_status(file, file.parent).state is PlatformState.STOPPED


def test_a_zombie_does_not_run() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
        began = psutil.Process(child.pid).create_time()
        assert child.stdout is not None
        child.stdout.read()  # ends with the process, which nobody has waited for yet
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert not is_alive(child.pid, began)
    assert not is_alive(child.pid, began)
    assert is_alive(os.getpid(), STATUS.create_time)
