"""Programs that are run to their end, each within a time, and what is told to the user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path


class KitError(Exception):
    """Something did not work; the message says what, and what to look at."""


def say(text: str) -> None:
    """Tells the user how it goes."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a command line's


def answer(text: str) -> None:
    """Tells the user the result, alone on standard output."""
    print(text, flush=True)  # noqa: T201 - a command line's


@contextmanager
def step(what: str, limit_seconds: float) -> Generator[None, None, None]:
    """Tells of the beginning and the end of what takes long."""
    say(f"{what}: at most {limit_seconds / 60:.0f} min ...")
    begun = time.monotonic()
    yield
    say(f"{what}: done in {time.monotonic() - begun:.0f} s")


def run(
    *args: object,
    check: bool = True,
    timeout: float = 60,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Runs a program and returns what it prints.

    With `check=False` a failure is an answer like others: what was printed, and nothing where the time was up.

    Raises:
        KitError: there is no such program, it failed, or took longer than `timeout` seconds. It is ended then, with
            all it started.
    """
    command = [str(argument) for argument in args]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            start_new_session=True,
        )
    except OSError as error:
        if not check:
            return ""
        problem = f"{command[0]}: {error.strerror}"
        raise KitError(problem) from error
    with process:
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            if not check:
                return ""
            problem = f"{' '.join(command)}: not done after {timeout:.0f} s"
            raise KitError(problem) from None
        except BaseException:
            _end(process)
            raise
    if check and process.returncode:
        problem = f"{' '.join(command)}: exit {process.returncode}\n{err or out}"
        raise KitError(problem)
    return out


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a program that was started in a session, so also a process group, of its own."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_until(test: Callable[[], bool], seconds: float, *, every: float = 0.2) -> bool:
    """Waits for what tells no one when it happens; says whether it did within `seconds`."""
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def write(path: Path, text: str) -> Path:
    """Writes a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
