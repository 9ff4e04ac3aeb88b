"""An Envoy as a process of its own, settings from the environment.

- `python -m kea_gateway.envoy` writes its configuration and becomes Envoy.
- `python -m kea_gateway.envoy drain` has the one that runs send its callers elsewhere, before it is stopped.
"""

from __future__ import annotations

import os
import sys

from kea_core.settings import SettingsError, read_settings

from kea_gateway.envoy.binary import EnvoyMissingError
from kea_gateway.envoy.settings import LaunchSettings

PREFIX = "KEA_ENVOY"


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit code."""
    try:
        settings = read_settings(LaunchSettings, PREFIX, os.environ)
        match arguments:
            case []:
                from kea_gateway.envoy.launch import launch

                launch(settings, os.environ)
            case ["drain"]:
                from kea_gateway.envoy.drain import drain

                drain(
                    settings.admin_socket,
                    unready_seconds=settings.unready_seconds,
                    drain_seconds=settings.drain_seconds,
                )
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except (SettingsError, EnvoyMissingError, OSError) as error:
        sys.stderr.write(f"envoy: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
