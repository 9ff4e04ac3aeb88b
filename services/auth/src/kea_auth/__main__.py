"""Runs auth as a process of its own: `python -m kea_auth`, settings from the environment."""

from __future__ import annotations

import os
import sys

from kea_core.lifecycle import run_service
from kea_core.settings import read_settings

from kea_auth.main import run
from kea_auth.settings import PREFIX, AuthSettings


def main() -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    return run_service("auth", run, read_settings(AuthSettings, PREFIX, os.environ))


if __name__ == "__main__":
    sys.exit(main())
