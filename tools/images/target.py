"""What KEA's own images are made for."""

from __future__ import annotations

from dataclasses import dataclass

from kea_deployer.builds.target import Target

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = "2_36"
"""Of the base, Debian 12; Envoy's wheel needs a later one than models are held to."""


@dataclass(frozen=True, slots=True)
class ServiceTarget(Target):
    """A machine with Debian 12 or later, and the Python on it."""

    @property
    def wheels(self) -> str:
        """What uv calls the platform."""
        return f"{MACHINES[self.platform.architecture]}-manylinux_{GLIBC}"
