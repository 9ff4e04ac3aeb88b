"""What an image is made for."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from kea_core.settings import SettingsError
from kea_oci.platform import Platform

_WHEELS = {
    ("linux", "amd64"): "x86_64-unknown-linux-gnu",
    ("linux", "arm64"): "aarch64-unknown-linux-gnu",
}
"""uv's names; they stand for wheels that run with glibc 2.28 and later."""
_VERSION = re.compile(r"3\.[1-9][0-9]?")


@dataclass(frozen=True, slots=True)
class Target:
    """A machine, and the Python on it."""

    platform: Platform
    python: str
    """`3.11`: the minor version, which wheels and bytecode are for."""

    @classmethod
    def parse(cls, platform: str, python: str) -> Target:
        """Reads `linux/amd64` and `3.11`.

        Raises:
            SettingsError: models cannot be put into images for it.
            BadImageReference: it is no platform.
        """
        parsed = Platform.parse(platform)
        if (parsed.os, parsed.architecture) not in _WHEELS:
            known = ", ".join("/".join(key) for key in _WHEELS)
            problem = f"platform is {platform}; images are made for {known}"
            raise SettingsError(problem)
        if not _VERSION.fullmatch(python):
            problem = f"python is {python!r}; expected a minor version such as 3.11"
            raise SettingsError(problem)
        return cls(parsed, python)

    @property
    def wheels(self) -> str:
        """What uv calls the platform."""
        return _WHEELS[self.platform.os, self.platform.architecture]

    @property
    def compiles(self) -> bool:
        """Whether this process's Python writes bytecode that the target's reads."""
        return self.python == f"{sys.version_info.major}.{sys.version_info.minor}"

    def __str__(self) -> str:
        return f"{self.platform}, Python {self.python}"
