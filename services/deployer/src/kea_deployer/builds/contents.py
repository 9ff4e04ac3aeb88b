"""What is in a model's image, and how a container of it is run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kea_core.resource_name import parse_name
from kea_oci.image import Run
from kea_oci.layer import Entry, entries_of

from kea_deployer.builds.target import Target
from kea_deployer.domain.deployment import ModelVersion

PACKAGES = "/kea/packages"
RUNTIME = "/kea/runtime"
MODEL = "/kea/model"
SPEC = "/kea/spec.json"
LOCK = "/kea/requirements.lock"
HTTP_PORT = 8080
GRPC_PORT = 8081
USER = 65532
"""Nobody in particular, as in Google's and Chainguard's images; the files belong to root and are readable by all."""

SOURCE_LABEL = "dev.kea.model-version"
PYTHON_LABEL = "dev.kea.python"
"""On a base: the minor version of its Python."""


def command_of(target: Target, spec: str) -> list[str]:
    """Returns the command that serves what a spec says."""
    return [
        *(f"python{target.python}", "-I", "-S", f"{RUNTIME}/kea_runtime/bootstrap.py"),
        *("--packages", PACKAGES, "--layer", RUNTIME, "--spec", spec),
    ]


def spec_of(model: ModelVersion) -> dict[str, Any]:
    """Returns what the model server is told of a model in an image (docs/design/0001-contracts.md)."""
    _, name, version = parse_name(model.name, "projects", "models", "versions")
    return {
        "model": name,
        "version": int(version),
        "framework": model.framework,
        "directory": MODEL,
        "entrypoint": model.entrypoint,
        "signature": model.signature,
        "http": f"0.0.0.0:{HTTP_PORT}",
        "grpc": f"0.0.0.0:{GRPC_PORT}",
    }


def model_entries(model: ModelVersion, artifact: Path, lock: str) -> Iterator[Entry]:
    """Yields the files of the layer that is the model's own."""
    yield from entries_of(artifact, MODEL.lstrip("/"))
    yield Entry(SPEC.lstrip("/"), json.dumps(spec_of(model), sort_keys=True).encode())
    yield Entry(LOCK.lstrip("/"), lock.encode())


def run_of(model: ModelVersion, target: Target) -> Run:
    """Returns how a container of a model's image is run where nobody says otherwise."""
    return Run(
        entrypoint=command_of(target, SPEC),
        user=f"{USER}:{USER}",
        directory="/",
        ports=[f"{port}/tcp" for port in (HTTP_PORT, GRPC_PORT)],
        labels={SOURCE_LABEL: model.name},
        stop_signal="SIGTERM",
    )
