"""Child processes that never outlive the platform.

The platform holds the write end of a pipe, its lifeline; every child, at whatever depth, inherits the read end. The
kernel closes the write end when the platform ends, however it ends. A guard beside each child waits for that and kills
the child, whatever the child is doing; a thread inside the child could not, where native code holds the interpreter.
The guard is forked before the program is started in its place, so the child's pid is the program's own.

Where asked to, the guard also keeps what the child writes: in a file of bounded size, each line with the moment it was
read. It goes on when the process that started the child has gone, as a reader of a pipe in that process could not.

This file is run by path, by the interpreter that runs KEA, in isolated mode: it imports nothing but the standard
library.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

LOOK_SECONDS = 1.0
"""How often a guard looks whether its child has ended by itself."""

MAX_LINE_BYTES = 16 * 1024
"""Longest line kept; the rest of it is dropped."""

OLDER = ".1"
"""Suffix of the file that holds what came before: when a log is full it is renamed, and a new one begun."""

STAMP_LENGTH = len("2026-11-25T16:00:00.000000Z ")
"""Characters before each line's text."""

READ_BYTES = 64 * 1024
READS = 16
"""Reads in a row: a child that writes without end must not keep its guard from looking at the lifeline."""


def guarded(lifeline: int, argv: Sequence[str], *, log: Path | None = None, log_bytes: int = 0) -> list[str]:
    """Returns the command that runs `argv` guarded by the lifeline's read end.

    The caller starts it with `pass_fds=(lifeline,)` and `start_new_session=True`; on the lifeline's end the whole
    session's process group is killed, on the child's end what is left of it.

    Args:
        lifeline: the file descriptor.
        argv: the program and its arguments.
        log: where its standard output and error are kept. None: wherever the caller's `stdout` and `stderr` go.
        log_bytes: size at which the log is begun anew; as much again is kept of what came before.
    """
    kept = ["--log", str(log), "--log-bytes", str(log_bytes)] if log is not None else []
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *kept, str(lifeline), *argv]


def open_lifeline() -> tuple[int, int]:
    """Returns the read and the write end of a new lifeline. Only the platform keeps the write end."""
    return os.pipe()


class _Log:
    """Lines from a pipe to a file of bounded size. What cannot be written is dropped: the child must never wait."""

    def __init__(self, source: int, path: Path, max_bytes: int) -> None:
        self.source = source
        self._path = path
        self._max_bytes = max_bytes
        self._line = b""
        self._overlong = False
        os.set_blocking(source, False)

    def pump(self) -> bool:
        """Takes what there is to read; returns whether more may come."""
        for _ in range(READS):
            try:
                chunk = os.read(self.source, READ_BYTES)
            except BlockingIOError:
                return True
            if not chunk:
                self._flush()
                return False
            *lines, self._line = (self._line + chunk).split(b"\n")
            if lines and self._overlong:  # the end of a line whose begin is written already
                del lines[0]
                self._overlong = False
            if len(self._line) > MAX_LINE_BYTES:
                if not self._overlong:
                    lines.append(self._line)
                self._overlong, self._line = True, b""
            self._write(lines)
        return True

    def close(self) -> None:
        """Takes what is left: others than the child may hold the pipe open, and its last line may have no end."""
        if self.pump():
            self._flush()

    def _flush(self) -> None:
        if self._line and not self._overlong:
            self._write([self._line])
        self._line = b""

    def _write(self, lines: Sequence[bytes]) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00").encode() + b"Z "
        block = b"".join(stamp + line[:MAX_LINE_BYTES] + b"\n" for line in lines)
        if not block:
            return
        with contextlib.suppress(OSError):  # a full disk loses lines, nothing else
            if self._path.exists() and self._path.stat().st_size + len(block) > self._max_bytes:
                self._path.replace(f"{self._path}{OLDER}")
            with self._path.open("ab") as file:
                file.write(block)


def _guard(lifeline: int, child: int, log: _Log | None) -> None:
    """Waits for the end of the platform or of the child; kills what is left of the child's process group then."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the child; the guard stays until the child is gone
    os.setpgid(0, 0)  # out of the group it may have to kill
    for stream in range(3):
        os.close(stream)  # readers of the child's output must see its end when the child ends
    watched = [lifeline] if log is None else [lifeline, log.source]
    while True:
        readable, _, _ = select.select(watched, [], [], LOOK_SECONDS)
        if log is not None and log.source in readable and not log.pump():
            watched.remove(log.source)
        if lifeline in readable or os.getppid() != child:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            if log is not None and log.source in watched:
                log.close()
            os._exit(0)


def main() -> None:
    """Runs `lifeline.py [--log FILE --log-bytes N] FD PROGRAM [ARGUMENT…]`."""
    parser = argparse.ArgumentParser(description="Run a program that ends with the platform.")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--log-bytes", type=int, default=0)
    parser.add_argument("lifeline", type=int)
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.program:
        parser.error("a program is needed")
    source, sink = os.pipe() if options.log is not None else (-1, -1)
    child = os.getpid()
    if os.fork() == 0:
        if sink >= 0:
            os.close(sink)
        log = _Log(source, options.log, options.log_bytes) if options.log is not None else None
        _guard(options.lifeline, child, log)
    if sink >= 0:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.close(sink)
        os.close(source)
    try:
        os.execvp(options.program[0], options.program)  # noqa: S606 - the program is the caller's, no shell is involved
    except OSError as error:
        sys.exit(f"cannot run {options.program[0]}: {error}")


if __name__ == "__main__":
    main()
