"""Starting an Envoy in this process's place."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from kea_openapi.api_resource import MANAGEMENT_SERVICES, transcoder_descriptor_set

from kea_gateway.envoy.binary import find_envoy
from kea_gateway.envoy.bootstrap import bootstrap
from kea_gateway.envoy.settings import EnvoySettings, LaunchSettings


def write_bootstrap(settings: LaunchSettings) -> Path:
    """Writes Envoy's bootstrap and what it refers to; returns its path."""
    settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.admin_socket.unlink(missing_ok=True)  # left behind by one that was killed
    descriptors = settings.directory / "api.binpb"
    descriptors.write_bytes(transcoder_descriptor_set())
    path = settings.directory / "bootstrap.json"
    document = bootstrap(
        EnvoySettings(
            host=settings.host,
            port=settings.port,
            xds_address=settings.xds_address,
            admin_socket=settings.admin_socket,
            access_log=settings.access_log,
            descriptors=descriptors,
            services=MANAGEMENT_SERVICES,
            node_id=settings.node_id,
            trusted_proxies=settings.trusted_proxies,
            metrics_port=settings.metrics_port,
        )
    )
    path.write_text(json.dumps(document))
    return path


def envoy_arguments(settings: LaunchSettings, bootstrap_file: Path) -> list[str]:
    """Returns the command line after the program's name.

    Over the first half of its end Envoy tells ever more connections to go, in the other half all of them.
    """
    drain_seconds = max(1, round(settings.drain_seconds / 2))
    return [
        *("-c", str(bootstrap_file), "--concurrency", str(settings.workers), "--log-level", "warn"),
        *("--disable-hot-restart", "--drain-time-s", str(drain_seconds)),
    ]


def launch(settings: LaunchSettings, environ: Mapping[str, str]) -> None:
    """Becomes Envoy: signals reach it, and no interpreter stays in memory beside it.

    Raises:
        EnvoyMissingError: there is none.
    """
    envoy = find_envoy(environ)
    os.execv(envoy, [str(envoy), *envoy_arguments(settings, write_bootstrap(settings))])  # noqa: S606 - no shell is wanted
