"""Child processes that never outlive the platform.

The platform holds the write end of a pipe, its lifeline; every child, at whatever depth, inherits the read end. The
kernel
closes the write end when the platform ends, however it ends. A guard beside each child waits for that and kills the
child,
whatever the child is doing; a thread inside the child could not, where native code holds the interpreter. The guard is
forked before the program is started in its place, so the child's pid is the program's own.

This file is run by path, by the interpreter that runs KEA, in isolated mode: it imports nothing but the standard
library.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

LOOK_SECONDS = 1.0
"""How often a guard looks whether its child has ended by itself."""

MIN_ARGUMENTS = 3


def guarded(lifeline: int, argv: Sequence[str]) -> list[str]:
    """Returns the command that runs `argv` guarded by the lifeline's read end.

    The caller starts it with `pass_fds=(lifeline,)` and `start_new_session=True`; on the lifeline's end the whole
    session's
    process group is killed.
    """
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(lifeline), *argv]


def open_lifeline() -> tuple[int, int]:
    """Returns the read and the write end of a new lifeline. Only the platform keeps the write end."""
    return os.pipe()


def _guard(lifeline: int, child: int) -> None:
    """Waits for the end of the platform or of the child; kills the child's process group after the platform's."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the child; the guard stays until the child is gone
    os.setpgid(0, 0)  # out of the group it may have to kill
    for stream in range(3):
        os.close(stream)  # readers of the child's output must see its end when the child ends
    while True:
        ended, _, _ = select.select([lifeline], [], [], LOOK_SECONDS)
        if os.getppid() != child:
            os._exit(0)
        if ended:
            os.killpg(child, signal.SIGKILL)
            os._exit(0)


def main() -> None:
    """Runs `lifeline.py FD PROGRAM [ARGUMENT…]`."""
    if len(sys.argv) < MIN_ARGUMENTS:
        sys.exit("usage: lifeline.py FD PROGRAM [ARGUMENT...]")
    lifeline = int(sys.argv[1])
    child = os.getpid()
    if os.fork() == 0:
        _guard(lifeline, child)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the program is the caller's, no shell is involved
    except OSError as error:
        sys.exit(f"cannot run {sys.argv[2]}: {error}")


if __name__ == "__main__":
    main()
