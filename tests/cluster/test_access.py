"""What `kubectl` does with running pods."""

from __future__ import annotations

import httpx
import pytest
from namespaces import Namespace
from workloads import ask_itself

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_logs_are_followed(namespace: Namespace, web_pod: str) -> None:
    with namespace.lines("logs", "-f", web_pod) as lines:
        next(lines)  # what was there before: from here on it follows
        ask_itself(namespace, web_pod, "/marked")
        assert any("/marked" in line for line in lines)


def test_commands_run_in_a_pod_and_read_what_they_are_given(namespace: Namespace, web_pod: str) -> None:
    assert namespace.exec(web_pod, "--", "cat", "/etc/debian_version").startswith("12.")
    assert namespace.exec(web_pod, "--", "tr", "a-z", "A-Z", stdin="to stdin") == "TO STDIN"


def test_a_port_is_forwarded(namespace: Namespace, web_pod: str) -> None:
    with (
        namespace.lines("port-forward", "service/web", ":80") as lines,
        httpx.Client(trust_env=False, timeout=10) as client,
    ):
        port = next(lines).split(" -> ")[0].rpartition(":")[2]
        assert client.get(f"http://127.0.0.1:{port}/").text == f"{web_pod} one"
