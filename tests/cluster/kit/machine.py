"""What the machine must have, and what is added to it from Debian's packages."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from kit.commands import run, step, write

PACKAGES = {  # program → Debian's package
    "containerd": "containerd",
    "runc": "runc",
    "docker-registry": "docker-registry",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "sysctl": "procps",
    "debootstrap": "debootstrap",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
APT_SECONDS = 900
POLICY = Path("/usr/sbin/policy-rc.d")


def missing() -> list[str]:
    """What a node of our own lacks here and cannot get by itself; empty where it can run."""
    if sys.platform != "linux":
        return ["Linux"]
    lacks: list[str] = []
    if os.geteuid() != 0:
        lacks.append("root (it runs a kubelet and containers)")
    if not shutil.which("apt-get"):
        lacks.append("apt")
    return lacks


def missing_packages() -> list[str]:
    """Debian packages whose program is not there."""
    return [package for program, package in PACKAGES.items() if not (shutil.which(program) or Path(program).exists())]


def install_packages() -> None:
    """Installs what is missing; asks the network for nothing where all is there."""
    if not (packages := missing_packages()):
        return
    apt = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")
    install = (*apt, "install", "-y", "--no-install-recommends", *packages)
    with step(f"installing {' '.join(packages)}", 2 * APT_SECONDS), _without_services():
        run(*apt, "update", timeout=APT_SECONDS)
        run(*install, timeout=APT_SECONDS, env={"DEBIAN_FRONTEND": "noninteractive"})


@contextmanager
def _without_services() -> Generator[None, None, None]:
    """Keeps packages from starting what they bring along: a containerd, and a registry on port 5000."""
    if POLICY.exists():  # the machine has an answer of its own
        yield
        return
    write(POLICY, "#!/bin/sh\nexit 101\n").chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
