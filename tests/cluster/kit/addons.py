"""Cluster DNS and resource metrics, and the proof that the whole works."""

from __future__ import annotations

import json
from pathlib import Path

from kit.commands import KitError, wait_until
from kit.kubectl import Kubectl
from kit.layout import Layout
from kit.processes import Processes
from kit.registry import NAME

MANIFESTS = Path(__file__).with_name("addons.yaml")
DNS_IN_MANIFESTS = "10.96.0.10"
DEPLOYMENTS = ("coredns", "metrics-server")
ROLLOUT_SECONDS = 180
NAMESPACE = ("-n", "kube-system")


def apply_addons(layout: Layout) -> None:
    """Creates both; `await_addons` waits for them."""
    text = MANIFESTS.read_text().replace(DNS_IN_MANIFESTS, layout.dns_ip)
    Kubectl.of(layout)("apply", "-f", "-", stdin=text)


def await_addons(layout: Layout, processes: Processes) -> None:
    """Waits until both serve, and until a pod of the registry's image has resolved a Service's name.

    Raises:
        KitError: they did not in time; the message tells of their pods and of what happened to them.
    """
    kubectl = Kubectl.of(layout)
    kubectl("apply", "-f", "-", stdin=json.dumps(_resolving_pod(layout)))

    def works() -> bool:
        processes.heed()
        return all(_available(kubectl, name) for name in DEPLOYMENTS) and _succeeded(kubectl)

    if not wait_until(works, ROLLOUT_SECONDS):
        pods = kubectl(*NAMESPACE, "get", "pods", "-o", "wide", check=False)
        events = kubectl(*NAMESPACE, "get", "events", "--sort-by=.lastTimestamp", check=False)
        problem = f"cluster DNS and metrics do not work after {ROLLOUT_SECONDS} s\n{pods}\n{events}logs: {layout.logs}"
        raise KitError(problem)
    kubectl(*NAMESPACE, "delete", "pod/resolve", "--wait=false")


def _available(kubectl: Kubectl, name: str) -> bool:
    path = "jsonpath={.status.availableReplicas}"
    return kubectl(*NAMESPACE, "get", "deployment", name, "-o", path, check=False, timeout=20) == "1"


def _succeeded(kubectl: Kubectl) -> bool:
    path = "jsonpath={.status.phase}"
    return kubectl(*NAMESPACE, "get", "pod", "resolve", "-o", path, check=False, timeout=20) == "Succeeded"


def _resolving_pod(layout: Layout) -> dict[str, object]:
    container = {
        "name": "resolve",
        "image": f"{layout.registry}/{NAME}",
        "command": ["sh", "-c", "until getent hosts kubernetes.default; do sleep 0.1; done"],
    }
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    metadata = {"name": "resolve", "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
