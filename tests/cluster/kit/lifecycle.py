"""A cluster's beginning and end."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from kit.addons import apply_addons, await_addons
from kit.binaries import build_all
from kit.cgroups import remove_cgroups
from kit.commands import KitError, run, say
from kit.containers import end_containers, start_containerd
from kit.control_plane import await_api, await_service_accounts, start_api, start_controllers
from kit.layout import Layout
from kit.machine import install_packages, missing
from kit.network import make_network, remove_network
from kit.node import (
    await_node,
    keep_kernel_settings,
    remove_strays,
    restore_kernel_settings,
    start_node,
)
from kit.pki import make_pki
from kit.processes import Processes
from kit.registry import push_debian, start_registry
from kit.simulate import PROCESS as KWOK

STOPPED_IN_ORDER = (
    "kubelet",
    "proxy",
    "scheduler",
    "controller-manager",
    "apiserver",
    "etcd",
    "containerd",
    "registry",
)


def is_up(layout: Layout) -> bool:
    """Says whether it was proved to work, and all of it still runs."""
    processes = Processes(layout)
    return layout.ready.exists() and all(processes.alive(name) for name in STOPPED_IN_ORDER)


def up(layout: Layout) -> None:
    """Builds what is missing, starts, and waits until a pod has resolved a Service's name.

    Raises:
        KitError: the machine lacks something, or a part did not start. What did start is left for a look.
    """
    if lacks := missing():
        problem = f"a node of our own needs {', '.join(lacks)}"
        raise KitError(problem)
    with _alone(layout):
        if is_up(layout):
            say("already up")
            return
        install_packages()
        build_all(layout)
        _clear(layout)
        _begin(layout)


def down(layout: Layout) -> None:
    """Ends all that was started and removes its state; binaries and the base image stay in the cache."""
    with _alone(layout):
        _clear(layout)


@contextmanager
def _alone(layout: Layout) -> Generator[None, None, None]:
    """One at a time: two would build into one folder."""
    layout.cache.mkdir(parents=True, exist_ok=True)
    with (layout.cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _begin(layout: Layout) -> None:
    begun = time.monotonic()
    processes = Processes(layout)
    keep_kernel_settings(layout)
    make_pki(layout)
    make_network(layout)
    start_registry(layout, processes)
    start_api(layout, processes)
    start_containerd(layout, processes)
    image = push_debian(layout, layout.registry)
    await_api(layout, processes)
    start_controllers(layout, processes)
    start_node(layout, processes)
    apply_addons(layout)
    await_node(layout, processes)
    await_service_accounts(layout, processes)
    await_addons(layout, processes)
    layout.ready.touch()
    say(f"ready in {time.monotonic() - begun:.0f} s; base image: {image}; `cluster.py env` has the exports")


def _clear(layout: Layout) -> None:
    processes = Processes(layout)
    processes.stop("kubelet")  # first, or it would start the containers again
    end_containers(layout, processes)
    for name in (KWOK, *STOPPED_IN_ORDER):
        processes.stop(name)
    _unmount(layout)
    remove_network(layout)
    restore_kernel_settings(layout)
    remove_strays(layout)
    remove_cgroups(layout)
    if layout.logs.exists():
        shutil.rmtree(layout.last_logs, ignore_errors=True)
        shutil.copytree(layout.logs, layout.last_logs)
    shutil.rmtree(layout.state, ignore_errors=True)


def _unmount(layout: Layout) -> None:
    """Unmounts all below the cluster's folder, which is deleted next: folders of the host may be among it."""
    for mount in _mounts(layout):
        run("umount", "-l", mount, check=False)
    if left := _mounts(layout):
        problem = f"cannot be unmounted, so nothing was deleted: {' '.join(left)}"
        raise KitError(problem)


def _mounts(layout: Layout) -> list[str]:
    """What is mounted below the cluster's folder, the innermost first."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{layout.state}/")), reverse=True)
