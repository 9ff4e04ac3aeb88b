"""The configuration of an Envoy that runs, as a bootstrap that stands by itself and can be taken apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

Document = dict[str, Any]


def still(platform_data: Path) -> Document:
    """Returns the bootstrap of a local platform's Envoy with all that it was sent in it, for its gateway listener."""
    bootstrap = json.loads((platform_data / "envoy" / "bootstrap.json").read_text())
    admin = bootstrap["admin"]["address"]["pipe"]["path"]
    with httpx.Client(transport=httpx.HTTPTransport(uds=admin), base_url="http://admin") as client:
        dumped = client.get("/config_dump?include_eds").json()["configs"]
    sections = {section["@type"].rpartition(".")[2]: section for section in dumped}
    clusters = [cluster for cluster in bootstrap["static_resources"]["clusters"] if cluster["name"] == "audit"]
    clusters += _clusters(sections["ClustersConfigDump"], sections["EndpointsConfigDump"])
    listener = next(each for each in bootstrap["static_resources"]["listeners"] if each["name"] == "gateway")
    document = {
        "node": {"id": "still", "cluster": "bench"},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }
    routes = manager(document)["scoped_routes"]
    del routes["scoped_rds"], routes["rds_config_source"]
    scopes = list(_scopes(sections["ScopedRoutesConfigDump"], sections["RoutesConfigDump"]))
    routes["scoped_route_configurations_list"] = {"scoped_route_configurations": scopes}
    sent = {entry["ecds_filter"]["name"]: entry["ecds_filter"] for entry in sections["EcdsConfigDump"]["ecds_filters"]}
    for each in manager(document)["http_filters"]:
        if each.pop("config_discovery", None):
            each["typed_config"] = sent[each["name"]]["typed_config"]
    return document


def manager(document: Document) -> Document:
    """Returns the configuration of a bootstrap's first listener's HTTP connection manager."""
    chain: Document = document["static_resources"]["listeners"][0]["filter_chains"][0]
    found: Document = chain["filters"][0]["typed_config"]
    return found


def virtual_hosts(document: Document) -> Iterator[Document]:
    """Yields the virtual hosts of all scopes of a bootstrap's first listener."""
    scopes = manager(document)["scoped_routes"]["scoped_route_configurations_list"]["scoped_route_configurations"]
    for scope in scopes:
        yield from scope["route_configuration"]["virtual_hosts"]


def _clusters(clusters: Document, endpoints: Document) -> Iterator[Document]:
    assigned = {
        entry["endpoint_config"]["cluster_name"]: entry["endpoint_config"]
        for entry in endpoints["dynamic_endpoint_configs"]
    }
    for entry in clusters["dynamic_active_clusters"]:
        cluster = entry["cluster"]
        del cluster["@type"]
        if cluster.pop("eds_cluster_config", None):
            cluster |= {"type": "STATIC", "load_assignment": _members(cluster["name"], assigned[cluster["name"]])}
        yield cluster


def _members(name: str, assignment: Document) -> Document:
    addresses = [
        member["endpoint"]["address"]
        for locality in assignment.get("endpoints", ())
        for member in locality.get("lb_endpoints", ())
    ]
    members = [{"endpoint": {"address": address}} for address in addresses]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": members}] if members else []}


def _scopes(scopes: Document, routes: Document) -> Iterator[Document]:
    known = {entry["route_config"]["name"]: entry["route_config"] for entry in routes["dynamic_route_configs"]}
    for scope in scopes["dynamic_scoped_route_configs"][0]["scoped_route_configs"]:
        configuration = dict(known[scope["route_configuration_name"]])
        del configuration["@type"]
        yield {"name": scope["name"], "key": scope["key"], "route_configuration": configuration}
