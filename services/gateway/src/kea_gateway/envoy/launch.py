"""Starting an Envoy in this process's place."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kea_core.clock import utc_now
from kea_core.envoy_tls import secret_files
from kea_core.identity import read_identity
from kea_openapi.api_resource import MANAGEMENT_SERVICES, transcoder_descriptor_set

from kea_gateway.envoy.binary import find_envoy
from kea_gateway.envoy.bootstrap import bootstrap
from kea_gateway.envoy.settings import EnvoySettings, LaunchSettings


def write_bootstrap(settings: LaunchSettings) -> Path:
    """Writes Envoy's bootstrap and what it refers to; returns its path.

    Raises:
        SettingsError: there shall be TLS, and a file for it is not what it should be.
    """
    settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_secrets(settings)
    settings.admin_socket.unlink(missing_ok=True)  # left behind by one that was killed
    descriptors = settings.directory / "api.binpb"
    descriptors.write_bytes(transcoder_descriptor_set())
    path = settings.directory / "bootstrap.json"
    document = bootstrap(
        EnvoySettings(
            host=settings.host,
            port=settings.port,
            xds_address=settings.xds_address,
            audit_address=settings.audit_address,
            tls=bool(settings.tls_directory),
            admin_socket=settings.admin_socket,
            access_log=settings.access_log,
            descriptors=descriptors,
            services=MANAGEMENT_SERVICES,
            node_id=settings.node_id,
            gateways_address=settings.gateways_address,
            trusted_proxies=settings.trusted_proxies,
            metrics_port=settings.metrics_port,
        )
    )
    path.write_text(json.dumps(document))
    return path


def _write_secrets(settings: LaunchSettings) -> None:
    if not settings.tls_directory:
        return
    directory = Path(settings.tls_directory).absolute()
    read_identity(directory, utc_now())  # Envoy would start with what is wrong, and wait
    for name, content in secret_files(directory).items():
        (settings.directory / name).write_text(json.dumps(content))


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
        SettingsError: there shall be TLS, and a file for it is not what it should be.
    """
    envoy = find_envoy(environ).absolute()
    settings = replace(settings, directory=settings.directory.absolute(), access_log=settings.access_log.absolute())
    arguments = [str(envoy), *envoy_arguments(settings, write_bootstrap(settings))]
    os.chdir(settings.directory)  # where clusters with TLS look for their secrets
    os.execv(envoy, arguments)  # noqa: S606 - no shell is wanted
