"""Calls of kubectl."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kit.commands import run
from kit.layout import Layout


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl, for one cluster."""

    program: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, layout: Layout) -> Kubectl:
        """The kubectl that was built with a cluster, for that cluster."""
        return cls(layout.binaries / "kubectl", layout.exports())

    def __call__(self, *args: object, check: bool = True, timeout: float = 60, stdin: str | None = None) -> str:
        """Runs it; `commands.run` says how."""
        return run(self.program, *args, check=check, timeout=timeout, stdin=stdin, env=self.environment)
