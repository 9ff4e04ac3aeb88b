"""Envoys that stand by themselves, and the gateway's configuration taken apart for them.

What is left out is left out of a bootstrap of `still_envoy`, in place.
"""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from kea_gateway.envoy.access_log import CALLER_FILTER
from kea_gateway.envoy.binary import find_envoy
from kea_gateway.envoy.bootstrap import (
    CALLER_HEADERS,
    CONCURRENCY_FILTER,
    JWT_FILTER,
    LIMITS_FILTER,
    PROJECT_CONCURRENCY_FILTER,
    PROJECT_LIMITS_FILTER,
    REVOCATION_FILTER,
)
from platforms import RunningPlatform, free_port, start, stop, until
from still_envoy import Document, manager, virtual_hosts

START_SECONDS = 60.0
"""How long a program may take to start: on a busy machine scikit-learn alone takes 20 s to import."""
ACCESS = "envoy.filters.http.rbac"
CALLERS = (JWT_FILTER, CALLER_FILTER, REVOCATION_FILTER, ACCESS)
LIMITS = (CONCURRENCY_FILTER, PROJECT_CONCURRENCY_FILTER, LIMITS_FILTER, PROJECT_LIMITS_FILTER)
ACCESS_LOG, AUDIT_LOG = "envoy.access_loggers.file", "envoy.access_loggers.open_telemetry"

Change = Callable[[Document], None]


def without_log(name: str) -> Change:
    """Leaves an access log out."""

    def change(document: Document) -> None:
        manager(document)["access_log"] = _others(manager(document)["access_log"], [name])

    return change


def without_filters(*names: str) -> Change:
    """Leaves filters out, and what virtual hosts say of them."""

    def change(document: Document) -> None:
        manager(document)["http_filters"] = _others(manager(document)["http_filters"], names)
        for host in virtual_hosts(document):
            for name in names:
                host.get("typed_per_filter_config", {}).pop(name, None)

    return change


def without_security(document: Document) -> None:
    """Leaves out who calls, whether they may and how much, and the audit log; requests go the same way as before."""
    without_filters(*CALLERS, *LIMITS)(document)
    without_log(AUDIT_LOG)(document)
    del manager(document)["early_header_mutation_extensions"]
    for host in virtual_hosts(document):
        for route in host["routes"]:
            removed = route.get("request_headers_to_remove", ())
            route["request_headers_to_remove"] = [name for name in removed if name not in CALLER_HEADERS]


def _others(entries: Iterable[Document], names: Iterable[str]) -> list[Document]:
    """Returns the entries of other names.

    Raises:
        ValueError: there is none of a name, so nothing would be measured.
    """
    by_name = {entry["name"]: entry for entry in entries}
    missing = set(names) - set(by_name)
    if missing:
        problem = f"{', '.join(sorted(missing))}: not in the gateway's configuration, so it cannot be left out"
        raise ValueError(problem)
    return [entry for name, entry in by_name.items() if name not in names]


def bare_config(upstream: str) -> Document:
    """Returns the bootstrap of an Envoy that passes requests on to a socket (`unix:PATH`), and does no more."""
    types = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    passing_on = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "http_filters": [router],
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "model"}}]}
            ]
        },
    }
    address = {"pipe": {"path": upstream.removeprefix("unix:")}}
    return {
        "static_resources": {
            "listeners": [{"filter_chains": [{"filters": [{"name": "hcm", "typed_config": passing_on}]}]}],
            "clusters": [
                {
                    "name": "model",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "model",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ],
        }
    }


@contextmanager
def iris_platform(data: Path, model: Path, example: Path) -> Generator[RunningPlatform, None, None]:
    """Runs a platform that serves the iris model."""
    platform = start(data)
    try:
        platform.kea("models", "push", "iris", str(model), "--example", str(example))
        platform.kea("deploy", "iris")
        yield platform
    finally:
        stop(platform)


@contextmanager
def envoy(
    document: Document, scratch: Path, *, under: Sequence[str] = (), seconds: float = START_SECONDS
) -> Generator[tuple[str, int], None, None]:
    """Runs an Envoy with one worker, whose first listener gets a port of this machine; yields its URL and pid.

    Args:
        document: its bootstrap.
        scratch: where that is written.
        under: the command of a program that Envoy is to run under, in the same process.
        seconds: how long it may take to start.
    """
    port = free_port()
    bootstrap = copy.deepcopy(document)
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    bootstrap["static_resources"]["listeners"][0]["address"] = address
    config = scratch / f"envoy-{port}.json"
    config.write_text(json.dumps(bootstrap))
    program = [str(find_envoy(os.environ)), "-c", str(config), "--concurrency", "1", "-l", "error"]
    process = subprocess.Popen([*under, *program, "--disable-hot-restart"])
    try:
        until(lambda: listens(port), seconds)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    """Returns whether something on this machine takes connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
