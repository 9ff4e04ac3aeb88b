"""Programs that run to their end under the lifeline."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from kea_deployer.provision.uv import MAX_LINE_BYTES, Uv, UvError


@pytest.fixture
def uv(lifeline: Any) -> Uv:
    return Uv(lifeline.fd, os.environ | {"KEA_SECRET": "s", "VIRTUAL_ENV": "/v"})


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_uv_runs_and_its_lines_are_noted(uv: Uv) -> None:
    lines: list[str] = []
    await uv.run("--version", note=lines.append)
    assert lines[0].startswith("uv ")


async def test_a_failure_is_told_in_the_programs_words(uv: Uv) -> None:
    with pytest.raises(UvError, match=r"error: .*--no-such-option"):
        await uv.run("--no-such-option", note=lambda _: None)
    with pytest.raises(UvError, match="ended with code 3"):
        await uv.run_program(python("raise SystemExit(3)"), lambda _: None)


async def test_lines_of_any_length_and_content_are_taken(uv: Uv) -> None:
    lines: list[str] = []
    code = "import os; os.write(1, b'a\\n' + b'x' * 300_000 + b'\\nb\\r\\n\\xff\\nlast')"
    await uv.run_program(python(code), lines.append)
    assert (lines[0], lines[-3:]) == ("a", ["b", "\N{REPLACEMENT CHARACTER}", "last"])
    assert sum(map(len, lines)) == 300_000 + 7
    assert max(map(len, lines)) <= MAX_LINE_BYTES + 64 * 1024


async def test_what_is_kaes_own_stays_out_of_its_environment(uv: Uv) -> None:
    lines: list[str] = []
    await uv.run_program(python("import os; print(sorted(os.environ))"), lines.append)
    assert "UV_NO_PROGRESS" in lines[0]
    assert "KEA_" not in lines[0]
    assert "'VIRTUAL_ENV'" not in lines[0]


HANGS = """
import os, subprocess, sys
print(os.getpid(), flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"])
"""


def ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_run_that_is_cancelled_ends_with_all_it_started(uv: Uv, helpers: Any) -> None:
    pids: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(uv.run_program(python(HANGS), pids.put_nowait))
        process = psutil.Process(int(await pids.get()))
        await helpers.eventually(lambda: len(process.children()) > 1)  # the guard, and its own
        family = [process, *process.children(recursive=True)]
        run.cancel()
    await helpers.eventually(lambda: all(ended(member) for member in family))


async def test_a_run_that_takes_too_long_is_ended(lifeline: Any) -> None:
    uv = Uv(lifeline.fd, os.environ, longest_seconds=0.5)
    with pytest.raises(UvError, match="not done within"):
        await uv.run_program(python(HANGS), lambda _: None)


async def test_the_disk_of_one_who_is_told_may_be_full(uv: Uv, tmp_path: Path) -> None:
    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await uv.run_program(python("print(1)"), full)
