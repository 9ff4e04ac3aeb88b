"""Runs the registry as a process of its own: `python -m kea_registry`, settings from the environment."""

from __future__ import annotations

import os
import sys

from kea_core.lifecycle import run_service
from kea_core.settings import read_settings

from kea_registry.main import run
from kea_registry.settings import PREFIX, RegistrySettings


def main() -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    return run_service("registry", run, read_settings(RegistrySettings, PREFIX, os.environ))


if __name__ == "__main__":
    sys.exit(main())
