"""How a replica's process is started, and found again."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import psutil
from kea_core.resource_name import parse_name

from kea_deployer.domain.deployment import Deployment
from kea_deployer.local.ground import Ground
from kea_deployer.local.replica_files import ReplicaFiles
from kea_deployer.settings import DeployerSettings

LOOK_SECONDS = 0.2
"""How often a process that is nobody's child here is looked at."""
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")


def spec_of(
    deployment: Deployment, files: ReplicaFiles, ground: Ground, settings: DeployerSettings
) -> dict[str, object]:
    """Returns what the model server is told (docs/design/0001-contracts.md)."""
    _, model, version = parse_name(deployment.model.name, "projects", "models", "versions")
    return {
        "model": model,
        "version": int(version),
        "deployment": deployment.name,
        "framework": deployment.model.framework,
        "directory": str(ground.artifact),
        "entrypoint": deployment.model.entrypoint,
        "signature": deployment.model.signature,
        "http": f"unix:{files.http_socket}",
        "grpc": f"unix:{files.grpc_socket}",
        "max_body_bytes": settings.max_body_bytes,
        "drain_seconds": settings.drain_seconds,
        "ready_file": str(files.ready),
    }


def command_of(files: ReplicaFiles, ground: Ground) -> list[str]:
    """Returns the command of a replica; `running` knows it by its end."""
    bootstrap = ground.layer / "kea_runtime" / "bootstrap.py"
    return [str(ground.python), "-I", str(bootstrap), "--layer", str(ground.layer), "--spec", str(files.spec)]


def environment() -> dict[str, str]:
    """Returns what models see of the deployer's environment: where programs are and which language, nothing else."""
    return {key: value for key, value in os.environ.items() if key in INHERITED}


def running(runs: Path) -> dict[str, psutil.Process]:
    """Returns the replicas' processes on this machine, by replica, as their command lines tell."""
    found: dict[str, psutil.Process] = {}
    for process in psutil.process_iter(["cmdline"]):
        cmdline: list[str] = process.info["cmdline"] or []  # pyright: ignore[reportAttributeAccessIssue] - set by process_iter
        spec = Path(cmdline[-1]) if len(cmdline) > 1 and cmdline[-2] == "--spec" else None
        if spec is None or spec.parent != runs:
            continue
        try:
            leads = os.getsid(process.pid) == process.pid  # its guard has the same command line, and does not
        except ProcessLookupError:
            continue
        if leads:
            found[spec.stem] = process
    return found


async def until_ended(process: psutil.Process) -> None:
    """Returns once a process that is not our child has ended."""
    while process.is_running():
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                return
        await asyncio.sleep(LOOK_SECONDS)
