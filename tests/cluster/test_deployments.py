from __future__ import annotations

import pytest
from namespaces import Namespace
from workloads import OVER, ask_itself, asking, await_rollout, start_web, web_pods

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def await_restart(namespace: Namespace, pod: str) -> None:
    namespace.wait("jsonpath={.status.containerStatuses[0].restartCount}=1", f"pod/{pod}")
    namespace.wait("condition=Ready", f"pod/{pod}")
    assert ask_itself(namespace, pod, "/") == f"{pod} one\n"


def test_a_deployment_grows_and_shrinks(namespace: Namespace) -> None:
    start_web(namespace)
    for replicas in ("3", "1"):
        namespace("scale", "deployment/web", f"--replicas={replicas}")
        await_rollout(namespace)
        assert namespace.get(".status.readyReplicas", "deployment/web") == replicas


def test_a_rollout_loses_no_request(namespace: Namespace) -> None:
    start_web(namespace, edition="one")
    old = web_pods(namespace)
    namespace.apply(asking(namespace, "/", pause_seconds=0.02))
    namespace.wait("condition=Ready", "pod/asking")
    with namespace.lines("logs", "-f", "asking") as lines:
        answers = [next(line for line in lines if "failed" not in line)]  # until then the node knew of no ready pod
        start_web(namespace, edition="two")
        namespace.wait("delete", *(f"pod/{pod}" for pod in old))  # it still answers when the new one is rolled out
        namespace.exec("asking", "--", "touch", OVER)
        answers += lines
    assert {answer.split()[-1] for answer in answers} == {"one", "two"}, answers
    assert len(answers) > 50


def test_a_container_that_exits_is_started_again(namespace: Namespace, web_pod: str) -> None:
    ask_itself(namespace, web_pod, "/die")
    await_restart(namespace, web_pod)
    assert namespace.get(".status.containerStatuses[0].lastState.terminated.exitCode", f"pod/{web_pod}") == "3"


def test_a_container_that_hangs_is_started_again(namespace: Namespace, web_pod: str) -> None:
    assert ask_itself(namespace, web_pod, "/hang") == ""
    await_restart(namespace, web_pod)
    assert "Liveness probe failed" in namespace("get", "events", "--field-selector", "reason=Unhealthy")
