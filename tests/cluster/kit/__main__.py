"""A real single-node Kubernetes on one Linux machine, from Go modules and Debian packages; no Docker, no image pulls.

    cluster.py up                 build what is missing, start, wait until a pod resolves a Service's name
    cluster.py down               stop all that was started and remove its state; binaries and base image stay cached
    cluster.py status             processes, resident memory, nodes and pods; exits 1 unless all is up
    cluster.py env                shell exports: KUBECONFIG, KEA_TEST_REGISTRY, PATH with kubectl and helm
    cluster.py load-image TAR     put a docker or OCI archive on the node (and in the registry, if so named)
    cluster.py simulate N         N simulated nodes beside the real one, tainted kwok.x-k8s.io/node; 0 removes them
    cluster.py push-base HOST     the base image into another registry, HOST:PORT, for tests on another cluster
    cluster.py run COMMAND ...    run a command against the cluster that KUBECONFIG names, or else a node of our own,
                                  which is left as it was found

A node of our own needs Linux, root and apt. KEA_CLUSTER=1 (to 15) is another one beside the first.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from kit.commands import KitError, answer, say
from kit.containers import load_archive
from kit.kubectl import Kubectl
from kit.layout import Layout
from kit.lifecycle import STOPPED_IN_ORDER, down, is_up, up
from kit.machine import missing
from kit.processes import Processes
from kit.registry import push_debian
from kit.simulate import PROCESS as KWOK
from kit.simulate import simulate


def main() -> int:
    """Runs one command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down", "status", "env"):
        commands.add_parser(name)
    commands.add_parser("load-image").add_argument("tar", type=Path)
    commands.add_parser("simulate").add_argument("count", type=int)
    commands.add_parser("push-base").add_argument("registry")
    running = commands.add_parser("run")
    running.add_argument("program")
    running.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    try:
        layout = Layout.from_environment(os.environ)
        actions: dict[str, Callable[[], int | None]] = {
            "up": lambda: _up(layout),
            "down": lambda: down(layout),
            "status": lambda: _status(layout),
            "env": lambda: _env(layout, os.environ),
            "load-image": lambda: answer("\n".join(load_archive(layout, given.tar))),
            "simulate": lambda: simulate(layout, Processes(layout), given.count),
            "push-base": lambda: answer(push_debian(layout, given.registry)),
            "run": lambda: _run(layout, os.environ, [given.program, *given.arguments]),
        }
        return actions[given.command]() or 0
    except (KitError, PermissionError) as error:
        say(f"cluster: {error}")
        return 1


def _up(layout: Layout) -> None:
    up(layout)
    answer(f"KUBECONFIG={layout.kubeconfig}")


def _status(layout: Layout) -> int:
    processes = Processes(layout)
    names = [*STOPPED_IN_ORDER, *([KWOK] if processes.alive(KWOK) else [])]
    total = 0
    for name in names:
        resident = processes.resident_mib(name)
        total += resident
        answer(f"{name:20} {processes.alive(name) or 'gone':>8} {resident:6} MiB")
    answer(f"{'all':29} {total:6} MiB")
    if not is_up(layout):
        say("not up")
        return 1
    answer(Kubectl.of(layout)("get", "nodes,pods", "-A").rstrip())
    return 0


def _env(layout: Layout, environ: Mapping[str, str]) -> None:
    for name, value in _environment(layout, environ).items():
        answer(f"export {name}={shlex.quote(value)}")


def _environment(layout: Layout, environ: Mapping[str, str]) -> dict[str, str]:
    return {**layout.exports(), "PATH": f"{layout.binaries}:{environ.get('PATH', os.defpath)}"}


def _run(layout: Layout, environ: Mapping[str, str], command: list[str]) -> int:
    """Runs a command against a cluster; a node that was not up before is not up afterwards."""
    if environ.get("KUBECONFIG"):
        if not environ.get("KEA_TEST_REGISTRY"):
            problem = "KUBECONFIG is set, but not KEA_TEST_REGISTRY: HOST:PORT of a registry the cluster pulls from"
            raise KitError(problem)
        return _call(command, environ)
    if lacks := missing():
        problem = f"no cluster: KUBECONFIG is not set, and a node of our own needs {', '.join(lacks)}"
        raise KitError(problem)
    was_up = is_up(layout)
    try:
        up(layout)
        return _call(command, {**environ, **_environment(layout, environ)})
    finally:
        if not was_up:
            down(layout)


def _call(command: list[str], environ: Mapping[str, str]) -> int:
    """Runs a command to its own end, also where we are asked to end: it may have something to clear away."""
    try:
        process = subprocess.Popen(command, env=environ)  # noqa: S603 - what the user asks for
    except OSError as error:
        problem = f"{command[0]}: {error.strerror}"
        raise KitError(problem) from error
    with process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the command as well
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
