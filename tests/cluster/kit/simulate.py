"""Simulated nodes beside the real one: kwok says of their pods that they run."""

from __future__ import annotations

import json

from kit.kubectl import Kubectl
from kit.layout import Layout
from kit.processes import Processes

PROCESS = "kwok"
MARK = "kwok.x-k8s.io/node"
SIZE = {"cpu": "64", "memory": "256Gi", "pods": "250"}
SELECT = ("-l", "type=kwok")


def simulate(layout: Layout, processes: Processes, count: int) -> None:
    """Makes the simulated nodes `count` in all; with none left, kwok goes too.

    Each has the taint MARK and the label type=kwok.
    """
    kubectl = Kubectl.of(layout)
    wanted = [f"sim{number:04}" for number in range(count)]
    found = kubectl("get", "nodes", *SELECT, "-o", "jsonpath={.items[*].metadata.name}").split()
    if more := sorted(set(found) - set(wanted)):
        kubectl("delete", "node", *more, timeout=120)
    if not wanted:
        processes.stop(PROCESS)
        return
    if not processes.alive(PROCESS):
        _start(layout, processes)
    nodes = {"apiVersion": "v1", "kind": "List", "items": [_node(name) for name in wanted]}
    kubectl("apply", "-f", "-", stdin=json.dumps(nodes), timeout=120)
    kubectl("wait", "node", *SELECT, "--for=condition=Ready", "--timeout=60s", timeout=70)


def _start(layout: Layout, processes: Processes) -> None:
    processes.start(
        PROCESS,
        layout.binaries / "kwok",
        f"--kubeconfig={layout.kubeconfig}",
        f"--manage-nodes-with-annotation-selector={MARK}=fake",
        "--node-lease-duration-seconds=40",
        *(f"--config={path}" for path in sorted(layout.kwok_stages.iterdir())),
    )


def _node(name: str) -> dict[str, object]:
    labels = {"type": "kwok", "kubernetes.io/hostname": name}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": {MARK: "fake"}, "labels": labels},
        "spec": {"taints": [{"key": MARK, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": SIZE, "capacity": SIZE},
    }
