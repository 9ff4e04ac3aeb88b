"""The lifeline with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kea_core.lifeline import guarded, open_lifeline

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def start(lifeline: int, code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        guarded(lifeline, [sys.executable, "-c", code]),
        stdout=subprocess.PIPE,
        pass_fds=(lifeline,),
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def end(process: subprocess.Popen[bytes]) -> int:
    code = process.wait(timeout=10)
    assert process.stdout is not None
    process.stdout.close()
    return code


def test_a_child_dies_with_the_platform_whatever_it_is_doing() -> None:
    lifeline, held = open_lifeline()
    process = start(lifeline, STUBBORN)
    os.close(held)
    assert end(process) == -signal.SIGKILL
    os.close(lifeline)


def test_grandchildren_die_too() -> None:
    lifeline, held = open_lifeline()
    spawn = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]).wait()"
    process = start(lifeline, spawn)
    family = psutil.Process(process.pid).children(recursive=True)
    os.close(held)
    end(process)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    os.close(lifeline)


def test_the_pid_is_the_programs_own_and_signals_and_exit_codes_pass() -> None:
    lifeline, held = open_lifeline()
    code = "import os, signal, sys; print('up', flush=True); signal.signal(15, lambda *_: sys.exit(7)); signal.pause()"
    process = start(lifeline, code)
    assert psutil.Process(process.pid).cmdline()[-1] == code
    guards = psutil.Process(process.pid).children()
    process.terminate()
    assert end(process) == 7
    _, alive = psutil.wait_procs(guards, timeout=10)
    assert not alive, "the guard goes when its child has gone"
    os.close(held)
    os.close(lifeline)


def test_a_child_outlives_the_process_that_started_it_while_the_platform_is_there(tmp_path: Path) -> None:
    lifeline, held = open_lifeline()
    told = tmp_path / "pid"
    code = (
        "import os, subprocess, sys\n"
        "from kea_core.lifeline import guarded\n"
        f"argv = guarded({lifeline}, ['sleep', '60'])\n"
        f"p = subprocess.Popen(argv, pass_fds=({lifeline},), start_new_session=True)\n"
        f"open({str(told)!r}, 'w').write(str(p.pid)); os.kill(os.getpid(), 9)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], pass_fds=(lifeline,))
    assert starter.wait(timeout=10) == -signal.SIGKILL
    child = psutil.Process(int(told.read_text()))
    with pytest.raises(psutil.TimeoutExpired):
        child.wait(timeout=1.5)  # longer than a guard's look
    os.close(held)
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.close(lifeline)


def test_a_program_that_is_not_there_is_told() -> None:
    lifeline, held = open_lifeline()
    done = subprocess.run(
        guarded(lifeline, ["/no/such/program"]), capture_output=True, text=True, check=False, pass_fds=(lifeline,)
    )
    assert done.returncode == 1
    assert "cannot run /no/such/program" in done.stderr
    os.close(held)
    os.close(lifeline)
