"""Programs that run on this machine beside the cluster."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 60


@contextmanager
def running(directory: Path, program: Path, *options: str) -> Generator[None, None, None]:
    """Runs a program for as long as the block; its log is told where the block fails."""
    log = directory / f"{program.name}.log"
    with log.open("wb") as written:
        process = subprocess.Popen([program, *options], stdout=written, stderr=written)  # noqa: S603 - our own
    try:
        yield
    except BaseException as error:
        state = "runs" if process.poll() is None else "has ended"
        error.add_note(f"{program.name} {state}; its log:\n{log.read_text()[-4000:]}")
        raise
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def free_port(host: str) -> int:
    """Returns a port that nothing listens on now, at an address of this machine."""
    with socket.create_server((host, 0)) as free:
        return free.getsockname()[1]
