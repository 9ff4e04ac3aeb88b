"""The lifeline with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from kea_core.lifeline import MAX_LINE_BYTES, READ_BYTES, STAMP_LENGTH, guarded, open_lifeline

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def start(lifeline: int, code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603 - the test's own command
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
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); print('up', flush=True); signal.pause()"
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
    starter = subprocess.Popen([sys.executable, "-c", code], pass_fds=(lifeline,))  # noqa: S603 - as above
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
    done = subprocess.run(  # noqa: S603 - as above
        guarded(lifeline, ["/no/such/program"]), capture_output=True, text=True, check=False, pass_fds=(lifeline,)
    )
    assert done.returncode == 1
    assert "cannot run /no/such/program" in done.stderr
    os.close(held)
    os.close(lifeline)


def kept(log: Path) -> list[bytes]:
    """Returns the lines of a log, each after the moment it was read."""
    found: list[bytes] = []
    for line in log.read_bytes().splitlines():
        stamp, text = line[:STAMP_LENGTH], line[STAMP_LENGTH:]
        assert stamp.endswith(b"Z ")
        assert datetime.fromisoformat(stamp.decode().strip()).tzinfo is not None
        found.append(text)
    return found


def run_logged(lifeline: int, log: Path, code: str, log_bytes: int = 10_000_000) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - as above
        guarded(lifeline, [sys.executable, "-u", "-c", code], log=log, log_bytes=log_bytes),
        pass_fds=(lifeline,),
        start_new_session=True,
    )


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Held:
    """A lifeline's two ends."""

    def __init__(self) -> None:
        self.fd, self._held = open_lifeline()

    def end(self) -> None:
        """Closes the write end; once, because the number of a closed descriptor soon is another's."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


@pytest.fixture
def lifeline() -> Generator[Held, None, None]:
    made = Held()
    yield made
    made.end()
    os.close(made.fd)


def test_what_a_child_writes_is_kept_with_its_time(lifeline: Held, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; print('out'); print('err', file=sys.stderr); print(); print('no end', end='')"
    assert run_logged(lifeline.fd, log, code).wait(timeout=10) == 0
    eventually(lambda: log.exists() and b"no end" in log.read_bytes())
    assert kept(log) == [b"out", b"err", b"", b"no end"]


def test_a_line_that_is_too_long_is_cut_and_the_next_one_is_whole(lifeline: Held, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import os, time\n"
        "for size in (16384, 16385, 300_000):\n"
        "    os.write(1, b'x' * size + b'\\nnext\\n')\n"
        "os.write(1, b'y' * 300_000); time.sleep(0.2); os.write(1, b'y' * 100)"
    )
    assert run_logged(lifeline.fd, log, code).wait(timeout=10) == 0
    eventually(lambda: log.exists() and len(kept(log)) == 7)
    longest = b"x" * MAX_LINE_BYTES
    assert kept(log) == [longest, b"next"] * 3 + [b"y" * MAX_LINE_BYTES]


def test_a_log_that_is_full_is_begun_anew_and_as_much_again_is_kept(lifeline: Held, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "for n in range(2000): print(f'{n:0100}')\nprint('end')"
    assert run_logged(lifeline.fd, log, code, log_bytes=50_000).wait(timeout=10) == 0
    eventually(lambda: log.exists() and log.read_bytes().endswith(b"end\n"))
    older = tmp_path / "log.1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    slack = READ_BYTES * 2  # one block: what was read at once, with its times
    assert max(log.stat().st_size, older.stat().st_size) <= 50_000 + slack
    numbers = [int(line) for line in kept(older) + kept(log) if line != b"end"]
    assert numbers == list(range(2000 - len(numbers), 2000))


def test_a_child_that_writes_without_end_dies_with_the_platform(lifeline: Held, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import os, signal; signal.signal(15, signal.SIG_IGN)\nwhile True: os.write(1, b'flood\\n' * 10_000)"
    process = run_logged(lifeline.fd, log, code, log_bytes=1_000_000)
    eventually(log.exists)
    lifeline.end()
    assert process.wait(timeout=10) == -signal.SIGKILL


def test_a_child_goes_on_where_its_log_cannot_be_kept(lifeline: Held, tmp_path: Path) -> None:
    log = tmp_path / "gone" / "log"
    code = "import os, pathlib; os.write(1, b'x\\n' * 200_000); pathlib.Path('done').touch()"
    process = subprocess.Popen(  # noqa: S603 - as above
        guarded(lifeline.fd, [sys.executable, "-c", code], log=log, log_bytes=1000),
        pass_fds=(lifeline.fd,),
        start_new_session=True,
        cwd=tmp_path,
    )
    assert process.wait(timeout=10) == 0
    assert (tmp_path / "done").exists()


def test_the_log_is_kept_after_the_process_that_started_the_child_has_gone(lifeline: Held, tmp_path: Path) -> None:
    log, told = tmp_path / "log", tmp_path / "told"
    child = f"import pathlib, time\nwhile not pathlib.Path({str(told)!r}).exists(): time.sleep(0.01)\nprint('alone')"
    code = (
        "import os, pathlib, subprocess, sys\n"
        "from kea_core.lifeline import guarded\n"
        f"argv = guarded({lifeline.fd}, [sys.executable, '-c', {child!r}], log=pathlib.Path({str(log)!r}), "
        "log_bytes=1000)\n"
        f"subprocess.Popen(argv, pass_fds=({lifeline.fd},), start_new_session=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], pass_fds=(lifeline.fd,))  # noqa: S603 - as above
    assert starter.wait(timeout=10) == -signal.SIGKILL
    told.touch()
    eventually(log.exists)
    assert kept(log) == [b"alone"]


def test_a_childs_last_words_are_kept_though_its_own_children_hold_the_pipe(lifeline: Held, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import os, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'], start_new_session=True)\n"
        "os.write(1, b'last words'); os._exit(9)"
    )
    process = run_logged(lifeline.fd, log, code)
    assert process.wait(timeout=10) == 9
    eventually(log.exists)
    assert kept(log) == [b"last words"]
