from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from namespaces import Namespace

pytestmark = [pytest.mark.cluster, pytest.mark.own_node, pytest.mark.timeout(900)]

NODES = 50
PODS = 500


@pytest.fixture
def simulated(kit: Callable[..., str]) -> Generator[None, None, None]:
    """Simulated nodes; to be asked for before the namespace, as only they can end its pods."""
    kit("simulate", NODES)
    yield
    kit("simulate", 0)


def test_fifty_simulated_nodes_run_five_hundred_pods(simulated: None, namespace: Namespace) -> None:
    spec = {
        "nodeSelector": {"type": "kwok"},
        "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
        "containers": [{"name": "main", "image": "simulated"}],
    }
    labels = {"app": "simulated"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "simulated"},
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    namespace.apply(deployment)
    namespace.wait(f"jsonpath={{.status.readyReplicas}}={PODS}", "deployment/simulated", seconds=300)
    assert namespace.get(".items[*].status.phase", "pods").split() == ["Running"] * PODS
    assert len(set(namespace.get(".items[*].spec.nodeName", "pods").split())) == NODES
