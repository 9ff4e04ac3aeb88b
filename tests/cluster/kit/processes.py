"""The cluster's long-running processes: started, watched, started once more, and ended by their ids."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kit.commands import KitError, say, wait_until, write
from kit.layout import Layout
from kit.network import enter

TOLD_LINES = 12
# Fields of /proc/PID/stat, counted from the one after the program's name.
STATE, BORN, RESIDENT_PAGES = 0, 19, 21


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes of one cluster, known by name; what was started is remembered on disk."""

    layout: Layout
    restarted: set[str] = field(default_factory=set[str])
    """Names of those that were started a second time; there is no third."""

    def start(self, name: str, *args: object, in_node: bool = True) -> None:
        """Starts a process, in the node's network unless said otherwise; its output goes to a log of its name."""
        self._start(name, [*(enter(self.layout) if in_node else []), *map(str, args)])

    def _start(self, name: str, command: list[str]) -> None:
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        record = {"pid": process.pid, "born": _stat(process.pid)[BORN], "command": command}
        write(self._record(name), json.dumps(record))

    def alive(self, name: str) -> int | None:
        """The process's id, if the one that was started still runs (and is not another with its number)."""
        try:
            record = json.loads(self._record(name).read_text())
            fields = _stat(record["pid"])
        except OSError:
            return None
        return int(record["pid"]) if fields[BORN] == record["born"] and fields[STATE] != "Z" else None

    def resident_mib(self, name: str) -> int:
        """Resident memory in MiB; 0 where it is gone."""
        pid = self.alive(name)
        return int(_stat(pid)[RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE") >> 20 if pid else 0

    def stop(self, name: str) -> None:
        """Ends a process, and forgets it; one that ignores the request is killed after ten seconds.

        Raises:
            KitError: not even that ended it.
        """
        for kind, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 20)):
            if (pid := self.alive(name)) is None:
                break
            with suppress(ProcessLookupError):
                os.kill(pid, kind)
            wait_until(lambda: self.alive(name) is None, seconds)
        if (pid := self.alive(name)) is not None:
            problem = f"{name} (process {pid}) cannot be ended"
            raise KitError(problem)
        self._record(name).unlink(missing_ok=True)

    def wait_for(self, test: Callable[[], bool], what: str, seconds: float, *, by: str) -> None:
        """Waits until `test` holds, which the process `by` is to bring about.

        A process that dies meanwhile, or does not bring it about in time, is started once more.

        Raises:
            KitError: it died again, or again did nothing. The message carries its last log lines.
        """
        while not wait_until(lambda: self._heed() or test(), seconds):
            self._again(by, f"{what}: not after {seconds:.0f} s")

    def heed(self) -> None:
        """Starts those once more that have died.

        Raises:
            KitError: one died a second time.
        """
        self._heed()

    def _heed(self) -> bool:
        for record in sorted((self.layout.state / "pids").iterdir()):
            if self.alive(record.name) is None:
                self._again(record.name, "it died")
        return False

    def _again(self, name: str, why: str) -> None:
        told = f"{why}; the last lines of {name} (all are in {self._log(name)}):\n{self._last_lines(name)}"
        if name in self.restarted:
            raise KitError(told)
        say(f"{told}\nstarting {name} once more")
        self.restarted.add(name)
        command = json.loads(self._record(name).read_text())["command"]
        self.stop(name)
        self._start(name, command)

    def _last_lines(self, name: str) -> str:
        with self._log(name).open(errors="replace") as log:
            return "".join(f"  | {line}" for line in deque(log, TOLD_LINES)).rstrip()

    def _log(self, name: str) -> Path:
        return self.layout.logs / f"{name}.log"

    def _record(self, name: str) -> Path:
        return self.layout.state / "pids" / name


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
