"""The files of one replica, and what it tells by them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

REPORT_BYTES = 64 * 1024
"""Most bytes read of what a replica tells: it is the model's process that writes it."""
NAME = re.compile(r"\.?([0-9a-f]{8})\..+")
"""Of a replica's file: `{id}.http`, or `.{id}.ready.json.{pid}` where one was about to be written."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a replica says of itself."""

    state: str
    """`READY`, or `FAILED`."""
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFiles:
    """The files of one replica."""

    http_socket: Path
    grpc_socket: Path
    spec: Path
    ready: Path

    @classmethod
    def of(cls, replica: str, runs: Path, sockets: Path) -> ReplicaFiles:
        """Returns the files of a replica with that id."""
        return cls(
            http_socket=sockets / f"{replica}.http",
            grpc_socket=sockets / f"{replica}.grpc",
            spec=runs / f"{replica}.json",
            ready=runs / f"{replica}.ready.json",
        )

    def remove(self) -> None:
        """Removes them all."""
        self.clear()
        self.spec.unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes what a process before has made."""
        for path in (self.http_socket, self.grpc_socket, self.ready):
            path.unlink(missing_ok=True)

    def report(self) -> Report | None:
        """Returns what the replica says of itself, or None where it says nothing yet."""
        try:
            with self.ready.open("rb") as file:
                document: Any = json.loads(file.read(REPORT_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(document, dict):
            return None
        told = cast("dict[str, Any]", document)
        return Report(*(str(told.get(key, "")) for key in ("state", "reason", "message")))


def sweep(directory: Path, known: Collection[str]) -> None:
    """Removes the files of all replicas but those known: a deployer that was killed could not."""
    for path in directory.iterdir():
        name = NAME.fullmatch(path.name)
        if name is not None and name.group(1) not in known:
            path.unlink(missing_ok=True)
