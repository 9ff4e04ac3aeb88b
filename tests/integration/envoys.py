"""Envoys with the gateway's own bootstrap, alone or as members of the gateways that share limits."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
from kea_gateway.envoy.binary import find_envoy
from kea_gateway.envoy.bootstrap import GATEWAYS_CLUSTER, bootstrap
from kea_gateway.envoy.settings import EnvoySettings
from kea_openapi.api_resource import MANAGEMENT_SERVICES, transcoder_descriptor_set

GATEWAYS_ADDRESS = "localhost:1"
"""One gateway, as the router counts."""


class Members:
    """The gateways that share limits. A file stands in for the name server, which tests have none of: Envoy counts the
    members of its local cluster, wherever they come from."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def are(self, count: int) -> None:
        """Has Envoys know of so many."""
        addresses = [{"socket_address": {"address": f"127.0.0.{n}", "port_value": 1}} for n in range(1, count + 1)]
        endpoints = [{"endpoint": {"address": address}} for address in addresses]
        assignment = {
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": GATEWAYS_CLUSTER,
            "endpoints": [{"lb_endpoints": endpoints}],
        }
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"resources": [assignment]}))
        new.replace(self.path)  # Envoy waits for a move

    def cluster(self) -> dict[str, Any]:
        """Returns the cluster that they are."""
        source = {"path_config_source": {"path": str(self.path)}, "resource_api_version": "V3"}
        return {"name": GATEWAYS_CLUSTER, "type": "EDS", "eds_cluster_config": {"eds_config": source}}


class EnvoyProcess:
    """An Envoy with the gateway's own bootstrap."""

    def __init__(
        self, directory: Path, xds_address: str, audit_address: str = "", members: Members | None = None
    ) -> None:
        self.port = free_port()
        self._members = members
        self._audit_address = audit_address
        self._directory = directory
        self._xds_address = xds_address
        self._admin = directory / "admin.sock"
        self._access_log = directory / "access.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        descriptors = self._directory / "api.binpb"
        descriptors.write_bytes(transcoder_descriptor_set())
        settings = EnvoySettings(
            host="127.0.0.1",
            port=self.port,
            xds_address=self._xds_address,
            audit_address=self._audit_address,
            admin_socket=self._admin,
            access_log=self._access_log,
            descriptors=descriptors,
            services=MANAGEMENT_SERVICES,
            gateways_address=GATEWAYS_ADDRESS if self._members else "",
        )
        document = bootstrap(settings)
        if self._members:
            clusters = document["static_resources"]["clusters"]
            clusters[:] = [self._members.cluster() if c["name"] == GATEWAYS_CLUSTER else c for c in clusters]
        file = self._directory / "bootstrap.json"
        file.write_text(json.dumps(document))
        arguments = ["-c", str(file), "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]
        arguments += ["--file-flush-interval-msec", "50"]
        with (self._directory / "envoy.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                find_envoy(os.environ), *arguments, stdout=log, stderr=log
            )

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    def written(self) -> dict[str, dict[str, Any]]:
        """Returns the lines of the access log by the ids of their requests."""
        whole, _, _ = self._access_log.read_text().rpartition("\n")
        lines = [json.loads(line) for line in whole.splitlines()]
        return {line["request_id"]: line for line in lines}

    async def stats(self, prefix: str) -> dict[str, int]:
        """Returns Envoy's own counters whose names begin with `prefix`."""
        transport = httpx.AsyncHTTPTransport(uds=str(self._admin))
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
            answer = await client.get("/stats", params={"format": "json", "filter": f"^{prefix}"})
        return {entry["name"]: entry["value"] for entry in answer.json()["stats"] if "value" in entry}


def free_port() -> int:
    """Returns a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
