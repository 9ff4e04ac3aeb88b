from __future__ import annotations

import pytest
from kit.commands import wait_until
from namespaces import Namespace, Object
from workloads import asking, start_web, web_pods

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

METRICS_SECONDS = 120
SCALING_SECONDS = 300
"""Long enough for a cluster whose autoscaler looks as seldom as it does by default."""


def autoscaler() -> Object:
    target = {"type": "Utilization", "averageUtilization": 50}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 3,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def test_metrics_tell_what_a_pod_uses(namespace: Namespace) -> None:
    start_web(namespace)
    pod = web_pods(namespace)[0]
    assert wait_until(lambda: pod in namespace("top", "pod", check=False), METRICS_SECONDS, every=1)
    name, cpu, memory = namespace("top", "pod", "--no-headers").split()
    assert name == pod
    assert cpu.endswith("m")
    assert 1 <= int(memory.removesuffix("Mi")) < 200


def test_load_brings_replicas_and_its_end_takes_them_away(namespace: Namespace) -> None:
    start_web(namespace)
    namespace.apply(autoscaler(), asking(namespace, "/burn", pause_seconds=0))
    namespace.wait("jsonpath={.status.readyReplicas}=3", "deployment/web", seconds=SCALING_SECONDS)
    namespace("delete", "pod", "asking")
    namespace.wait("jsonpath={.status.readyReplicas}=1", "deployment/web", seconds=SCALING_SECONDS)
