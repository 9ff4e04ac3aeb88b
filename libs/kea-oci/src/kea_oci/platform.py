"""Machines that images are for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from kea_oci.errors import BadImageReference

_PLATFORM = re.compile(r"(?P<os>[a-z0-9]+)/(?P<architecture>[a-z0-9_]+)(?:/(?P<variant>[a-z0-9]+))?\Z")
_DEFAULT_VARIANTS = {"arm64": "v8"}


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and an architecture, in Go's words: `linux`, `amd64`."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `OS/ARCHITECTURE[/VARIANT]`.

        Raises:
            BadImageReference: it is nothing of the kind.
        """
        found = _PLATFORM.match(text)
        if found is None:
            raise BadImageReference(text, "is no platform; expected OS/ARCHITECTURE, for example linux/amd64")
        return cls(found["os"], found["architecture"], found["variant"] or "")

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def runs(self, other: Platform) -> bool:
        """Returns whether this machine runs what was made for the other."""
        default = _DEFAULT_VARIANTS.get(self.architecture, "")
        return (self.os, self.architecture, self.variant or default) == (
            other.os,
            other.architecture,
            other.variant or default,
        )


LINUX_AMD64 = Platform("linux", "amd64")
