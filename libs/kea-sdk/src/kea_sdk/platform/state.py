"""What a running platform tells about itself, in a file that others read."""

from __future__ import annotations

import dataclasses
import enum
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


class ProcessState(enum.StrEnum):
    """Where a process is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    STOPPED = "stopped"


class PlatformState(enum.StrEnum):
    """Where the platform is in its life."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process of the platform, or one service in the platform's own process."""

    name: str
    pid: int
    """0 where it does not run now."""
    address: str
    state: ProcessState
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """The platform as a whole."""

    state: PlatformState
    url: str
    data: str
    pid: int
    """Of `kea up`; 0 where it does not run."""
    create_time: float
    """When that process began, in seconds since 1970: a pid alone may have been given to another."""
    processes: tuple[ProcessStatus, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the status as JSON."""
        return dataclasses.asdict(self)


def write_status(path: Path, status: PlatformStatus) -> None:
    """Replaces the file's content, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(status.to_json(), indent=2))
    draft.chmod(0o600)
    draft.rename(path)


def read_status(path: Path, data: Path) -> PlatformStatus:
    """Returns the platform's status; STOPPED where none runs, whatever the file says."""
    stopped = PlatformStatus(PlatformState.STOPPED, "", str(data), 0, 0.0, ())
    try:
        document = json.loads(path.read_text())
        status = PlatformStatus(
            state=PlatformState(document["state"]),
            url=str(document["url"]),
            data=str(document["data"]),
            pid=int(document["pid"]),
            create_time=float(document["create_time"]),
            processes=tuple(
                ProcessStatus(
                    name=str(entry["name"]),
                    pid=int(entry["pid"]),
                    address=str(entry["address"]),
                    state=ProcessState(entry["state"]),
                    restarts=int(entry["restarts"]),
                )
                for entry in document["processes"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return stopped
    return status if is_alive(status.pid, status.create_time) else stopped


def is_alive(pid: int, create_time: float) -> bool:
    """Returns whether the process that began then is still there."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - create_time) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):  # what the file says may be no pid at all
        return False
