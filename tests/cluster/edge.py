"""What stands in front of a cluster: ends TLS, and says who has called."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kea_gateway.envoy.binary import find_envoy
from kit.commands import wait_until
from programs import running

TYPES = "type.googleapis.com/envoy.extensions"
START_SECONDS = 20


@contextmanager
def edge(
    directory: Path, address: tuple[str, int], behind: str, certificate: Path, key: Path
) -> Generator[None, None, None]:
    """Runs an Envoy of its own as a company's ingress or load balancer, for as long as the block.

    Args:
        directory: where its configuration and log go.
        address: where it listens.
        behind: URL of the gateway.
        certificate: what it shows.
        key: of the certificate.
    """
    upstream = urlsplit(behind)
    shown = {"certificate_chain": {"filename": str(certificate)}, "private_key": {"filename": str(key)}}
    listener = {
        "name": "https",
        "address": _socket_address(*address),
        "filter_chains": [
            {
                "transport_socket": {
                    "name": "tls",
                    "typed_config": {
                        "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
                        "common_tls_context": {"tls_certificates": [shown]},
                    },
                },
                "filters": [{"name": "http", "typed_config": _http()}],
            }
        ],
    }
    endpoint = {"endpoint": {"address": _socket_address(upstream.hostname or "", upstream.port or 80)}}
    cluster = {
        "name": "gateway",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "gateway", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    configuration = directory / "edge.json"
    configuration.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}))
    options = ("-c", str(configuration), "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn")
    with running(directory, find_envoy(os.environ), *options):
        assert wait_until(lambda: _listens(address), START_SECONDS)
        yield


def _http() -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "gateway", "timeout": "60s"}}
    return {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "use_remote_address": True,  # the caller's is added to X-Forwarded-For, and the protocol told
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}},
        ],
    }


def _socket_address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _listens(address: tuple[str, int]) -> bool:
    with suppress(OSError), socket.create_connection(address, timeout=1):
        return True
    return False
