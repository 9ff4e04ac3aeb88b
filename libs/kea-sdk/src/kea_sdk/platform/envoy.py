"""Envoy on this machine: its files and its command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kea_gateway.envoy.bootstrap import bootstrap
from kea_gateway.envoy.settings import EnvoySettings
from kea_openapi.api_resource import MANAGEMENT_SERVICES, transcoder_descriptor_set

from kea_sdk.platform.layout import Layout
from kea_sdk.platform.options import UpOptions

DRAIN_SECONDS = 5
MOST_WORKERS = 2
"""Envoy's own threads: one more than this keeps more cores from the models than it gives to requests."""


def write_bootstrap(options: UpOptions, layout: Layout) -> Path:
    """Writes Envoy's bootstrap and what it refers to; returns its path."""
    directory = layout.data / "envoy"
    directory.mkdir(mode=0o700, exist_ok=True)
    descriptors = directory / "api.binpb"
    descriptors.write_bytes(transcoder_descriptor_set())
    settings = EnvoySettings(
        host=options.host,
        port=options.port,
        xds_address=layout.socket("xds"),
        audit_address=layout.socket("audit"),
        admin_socket=layout.sockets / "envoy-admin.sock",
        access_log=layout.logs / "access.log",
        descriptors=descriptors,
        services=MANAGEMENT_SERVICES,
    )
    path = directory / "bootstrap.json"
    path.write_text(json.dumps(bootstrap(settings), indent=1))
    return path


def envoy_command(binary: Path, bootstrap_file: Path) -> list[str]:
    """Returns Envoy's command line."""
    workers = max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // 2))
    return [
        *(str(binary), "-c", str(bootstrap_file), "--concurrency", str(workers)),
        *("--log-level", "warn", "--disable-hot-restart", "--drain-time-s", str(DRAIN_SECONDS)),
    ]
