"""How an Envoy speaks mutual TLS with services, as its bootstrap and the router's clusters both say it.

Whoever publishes a cluster need not know where an Envoy's certificate is. It names files of the Envoy's working
directory, which whoever starts the Envoy has written there. Files, because Envoy takes renewed certificates only where
they come by its secret discovery, not those of its bootstrap; each holds one secret, because Envoy takes no more.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from kea_core.address import has_name, split_address
from kea_core.identity import AUTHORITIES, CERTIFICATE, KEY

TLS_SOCKET = "envoy.transport_sockets.tls"
TLS_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
IDENTITY_SECRET, AUTHORITIES_SECRET = "identity", "authorities"


def secret_files(directory: Path) -> dict[str, dict[str, Any]]:
    """Returns what must be in Envoy's working directory, by file name, for the identity in a directory.

    Kubernetes replaces a mounted Secret by one rename in its directory: that is what Envoy watches for.
    """
    watched = {"watched_directory": {"path": str(directory)}}

    def file(name: str) -> dict[str, str]:
        return {"filename": str(directory / name)}

    certificate = {"certificate_chain": file(CERTIFICATE), "private_key": file(KEY), **watched}
    authorities = {"trusted_ca": file(AUTHORITIES), **watched}
    return {
        _file_name(IDENTITY_SECRET): _response(IDENTITY_SECRET, tls_certificate=certificate),
        _file_name(AUTHORITIES_SECRET): _response(AUTHORITIES_SECRET, validation_context=authorities),
    }


def upstream_context(address: str) -> dict[str, Any]:
    """Returns, as JSON, the `UpstreamTlsContext` of a cluster that speaks gRPC with `HOST:PORT`.

    The server must have a certificate of an authority for this host.
    """
    host, _ = split_address(address)
    if has_name(address):
        names, indication = {"san_type": "DNS", "matcher": {"exact": host}}, {"sni": host}
    else:  # an address is indicated to no server
        names, indication = {"san_type": "IP_ADDRESS", "matcher": {"exact": str(ipaddress.ip_address(host))}}, {}
    context = {
        "alpn_protocols": ["h2"],
        "tls_certificate_sds_secret_configs": [_reference(IDENTITY_SECRET)],
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": [names]},
            "validation_context_sds_secret_config": _reference(AUTHORITIES_SECRET),
        },
    }
    return {"common_tls_context": context, **indication}


def _reference(name: str) -> dict[str, Any]:
    source = {"path": f"./{_file_name(name)}"}  # without a slash Envoy takes it for no path
    return {"name": name, "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}


def _response(name: str, **content: object) -> dict[str, Any]:
    return {"resources": [{"@type": f"{TLS_TYPES}.Secret", "name": name, **content}]}


def _file_name(name: str) -> str:
    return f"{name}.json"
