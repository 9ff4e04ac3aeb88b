"""The cgroup that the pods' cgroups lie in.

A kubelet ends pods it does not know under its root cgroup: without one of its own it would end others' pods.
"""

from __future__ import annotations

import os
from pathlib import Path

from kit.commands import say
from kit.layout import Layout

MOUNTS = Path("/proc/mounts")
HYBRID = Path("/sys/fs/cgroup/unified")  # runc makes its cgroups there as well


def _controllers() -> list[Path]:
    """Where the controllers of version 1 are mounted; none where cgroups are of version 2."""
    fields = [line.split() for line in MOUNTS.read_text().splitlines()]
    return [Path(mount[1]) for mount in fields if mount[2] == "cgroup"]


def make_cgroups(layout: Layout) -> str:
    """Makes the cgroup; returns the root that the kubelet is given."""
    controllers = _controllers()
    for controller in controllers:
        folder = controller / layout.name
        folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (folder / name).exists():
                (folder / name).write_text((controller / name).read_text())
    return f"/{layout.name}" if controllers else ""


def remove_cgroups(layout: Layout) -> None:
    """Removes the cgroup with all below it, which are empty by then."""
    for controller in (*_controllers(), HYBRID):
        for folder, _, _ in os.walk(controller / layout.name, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError as error:
                say(f"{folder}: {error.strerror}")
