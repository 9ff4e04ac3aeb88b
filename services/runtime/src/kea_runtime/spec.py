"""What one process serves: the file that the deployer writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kea_openapi.signature import Signature, from_json


class SpecError(ValueError):
    """The spec is not usable; the text says which key and why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a unix socket's path, or a host and a port."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Address:
        """Reads `unix:PATH` or `HOST:PORT`.

        Raises:
            SpecError: it is neither.
        """
        if text.startswith("unix:"):
            return cls(path=Path(text.removeprefix("unix:")))
        host, separator, port = text.rpartition(":")
        if not separator or not host or not port.isdecimal():
            message = f"address {text!r} is neither unix:PATH nor HOST:PORT"
            raise SpecError(message)
        return cls(host=host.strip("[]"), port=int(port))

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One model version and how to serve it."""

    model: str
    version: int
    deployment: str
    framework: str
    directory: Path
    """The unpacked archive; the model's own modules are importable from here."""
    entrypoint: str
    signature: Signature
    http: Address
    grpc: Address | None
    """None: no gRPC; its threads are not started."""
    max_body_bytes: int
    """Largest request, as sent and as decompressed."""
    drain_seconds: float
    """Longest time that calls in flight may still run after SIGTERM."""
    ready_file: Path | None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Spec:
        """Reads the spec's JSON form (docs/design/0001-contracts.md).

        Raises:
            SpecError: a key is missing or of the wrong kind.
            SignatureError: the signature is not usable.
        """
        try:
            ready_file = document.get("ready_file")
            grpc = document.get("grpc")
            return cls(
                model=str(document["model"]),
                version=int(document["version"]),
                deployment=str(document.get("deployment", "")),
                framework=str(document["framework"]),
                directory=Path(document["directory"]),
                entrypoint=str(document["entrypoint"]),
                signature=from_json(document["signature"]),
                http=Address.parse(document["http"]),
                grpc=Address.parse(grpc) if grpc else None,
                max_body_bytes=int(document.get("max_body_bytes", 128 * 1024 * 1024)),
                drain_seconds=float(document.get("drain_seconds", 10.0)),
                ready_file=Path(ready_file) if ready_file else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            message = f"the spec is malformed: {error!r}"
            raise SpecError(message) from error

    def artifact(self) -> Path:
        """Returns the path of the entrypoint's file, which lies inside the directory.

        Raises:
            SpecError: it points outside, or nowhere.
        """
        name = self.entrypoint.rpartition(":")[0] if self.framework == "python" else self.entrypoint
        path = (self.directory / name).resolve()
        if not path.is_relative_to(self.directory.resolve()) or not path.is_file():
            message = f"entrypoint {self.entrypoint!r} is not a file in the model's archive"
            raise SpecError(message)
        return path


def write_state(ready_file: Path | None, state: Mapping[str, str]) -> None:
    """Tells the deployer how far this process is; by rename, so that no reader sees half a file."""
    if ready_file is None:
        return
    draft = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
    draft.write_text(json.dumps(state), encoding="utf-8")
    draft.replace(ready_file)
