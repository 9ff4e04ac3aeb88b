"""The metric by which autoscaling follows requests: a Prometheus and an adapter on this machine, as documented."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import yaml
from installation import CHART, ROOT, Installation, temporary
from kit.commands import wait_until
from namespaces import Namespace, Object
from programs import free_port, running

VALUES = ROOT / "deploy" / "monitoring" / "prometheus-adapter.yaml"
API = "v1beta1.external.metrics.k8s.io"
PORT_NAME = "envoy-metrics"
WAYS_IN = {
    "prometheus": "it is Debian's package `prometheus`; `make test-cluster` installs it with a node of our own",
    "adapter": "it is built from tests/cluster/tools/prometheus-adapter; `make test-cluster` puts it there",
}
KUBERNETES = ("--kube-version", "1.31.0")
"""A helm that was built from its module takes the cluster it does not ask for a very old one."""
KUBECONFIGS = ("lister", "authentication", "authorization")
"""What the adapter, outside of a pod, is told apart how to reach the API server for."""
START_SECONDS = 60


@contextmanager
def request_metrics(kea: Installation, directory: Path, deployment: str) -> Generator[None, None, None]:
    """Has the cluster serve the metric for as long as the block; it is there for this deployment when that begins.

    Prometheus scrapes what the chart's ServiceMonitor selects, with its relabelings; the adapter has the rules that
    the documents tell.
    """
    here = kea.namespace.registry.partition(":")[0]  # where pods reach this machine, as they reach the registry
    with _prometheus(kea, directory) as prometheus:
        found = f'envoy_cluster_upstream_rq_total{{kea_deployment="{deployment}"}}'
        assert wait_until(lambda: bool(_ask(prometheus, found)), START_SECONDS), _ask(prometheus, "up")
        with (
            _adapter(directory, here, prometheus) as port,
            temporary(replace(kea.namespace, name=f"{kea.namespace.name}-metrics")) as namespace,
            _registered(namespace, here, port),
        ):
            yield


@contextmanager
def _prometheus(kea: Installation, directory: Path) -> Generator[str, None, None]:
    """Runs Prometheus; yields its address."""
    configuration = directory / "prometheus.yaml"
    configuration.write_text(yaml.safe_dump({"scrape_configs": [_scraping(kea)]}))
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    options = (f"--config.file={configuration}", f"--storage.tsdb.path={directory / 'data'}")
    with running(directory, _program("prometheus"), *options, f"--web.listen-address={address}"):
        yield f"http://{address}"


def _scraping(kea: Installation) -> Object:
    """Returns what the Prometheus operator makes of the chart's ServiceMonitor, for the gateways' Envoys."""
    values = kea.directory / "monitored.json"
    values.write_text(kea.helm("get", "values", kea.namespace.name, "--output", "json"))
    more = ("--set", "metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.interval=5s", *KUBERNETES)
    only = ("--show-only", "templates/service-monitor.yaml")
    spec = yaml.safe_load(kea.helm("template", kea.namespace.name, CHART, "--values", values, *more, *only))["spec"]
    (endpoint,) = [found for found in spec["endpoints"] if found["port"] == PORT_NAME]
    selector = ",".join(f"{name}={value}" for name, value in spec["selector"]["matchLabels"].items())
    return {
        "job_name": "gateways",
        "scrape_interval": endpoint["interval"],
        "metrics_path": endpoint["path"],
        "static_configs": [{"targets": _targets(kea.namespace, selector)}],
        "metric_relabel_configs": [
            {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name): value for name, value in one.items()}
            for one in endpoint["metricRelabelings"]
        ],
    }


def _targets(namespace: Namespace, selector: str) -> list[str]:
    """Returns addresses behind the Services with these labels, which their slices have too."""
    slices = json.loads(namespace("get", "endpointslices", "--selector", selector, "--output", "json"))["items"]
    return [
        f"{address}:{port['port']}"
        for found in slices
        for port in found["ports"] or ()
        if port["name"] == PORT_NAME
        for endpoint in found["endpoints"] or ()
        for address in endpoint["addresses"]
    ]


def _ask(prometheus: str, query: str) -> list[Any]:
    """Returns what Prometheus has now; nothing where it does not answer."""
    with suppress(httpx.TransportError):
        answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}, trust_env=False)
        if answer.is_success:
            return answer.json()["data"]["result"]
    return []


@contextmanager
def _adapter(directory: Path, here: str, prometheus: str) -> Generator[int, None, None]:
    """Runs the adapter, configured by the chart's values that are documented; yields its port."""
    configuration, port = directory / "adapter.yaml", free_port(here)
    rules = yaml.safe_load(VALUES.read_text())["rules"]["external"]
    configuration.write_text(yaml.safe_dump({"externalRules": rules}))
    kubeconfigs = [f"--{which}-kubeconfig={os.environ['KUBECONFIG']}" for which in KUBECONFIGS]
    options = (f"--config={configuration}", f"--prometheus-url={prometheus}", "--metrics-relist-interval=1m")
    served = (f"--bind-address={here}", f"--secure-port={port}", f"--cert-dir={directory / 'certificates'}")
    with running(directory, _program("adapter"), *options, *served, *kubeconfigs):
        yield port


@contextmanager
def _registered(namespace: Namespace, here: str, port: int) -> Generator[None, None, None]:
    """Has the API server ask the adapter; no longer than it runs, or no namespace could be deleted."""
    version, _, group = API.partition(".")
    name = "adapter"
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"name": "https", "port": 443}]},
    }
    slice_of_it = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": port}],
        "endpoints": [{"addresses": [here]}],
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": API},
        "spec": {
            "group": group,
            "version": version,
            "service": {"name": name, "namespace": namespace.name},
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    try:
        namespace.apply(service, slice_of_it, api)
        namespace.wait("condition=Available", f"apiservice/{API}", seconds=START_SECONDS)
        yield
    finally:
        namespace("delete", "apiservice", API, "--ignore-not-found")


def _program(name: str) -> Path:
    found = shutil.which(name)
    assert found, f"{name} is not in PATH: {WAYS_IN[name]}"
    return Path(found)
