from __future__ import annotations

import httpx
import pytest
from kit.commands import wait_until
from namespaces import Namespace
from workloads import PORT, pod, start_web, web_pods

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def who_answers(address: str) -> str:
    """Returns the name of the pod behind an address, once there is one: nodes learn of ready pods a little later."""
    found: list[str] = []

    def answered() -> bool:
        try:
            found.append(client.get(f"http://{address}/").raise_for_status().text.split()[0])
        except httpx.ConnectError:
            return False
        return True

    with httpx.Client(trust_env=False, timeout=5) as client:
        assert wait_until(answered, 20), address
    return found[0]


def test_a_service_is_found_by_name_and_spreads_requests_over_its_pods(namespace: Namespace) -> None:
    start_web(namespace, replicas=2)
    address = f"http://web.{namespace.name}/"
    script = f"""
import time, urllib.request as u
seen, until = set(), time.monotonic() + 20
while len(seen) < 2 and time.monotonic() < until:  # nodes learn of ready pods a little later than the rollout does
    seen.add(u.urlopen("{address}").read().decode().split()[0])
print(*sorted(seen))
"""
    printed = namespace.run(pod(namespace, "client", ["python3", "-c", script]))
    assert printed.split() == sorted(web_pods(namespace))


def test_an_unknown_name_is_refused_at_once(namespace: Namespace) -> None:
    script = "import socket; socket.getaddrinfo('nobody.default.svc.cluster.local', 80)"
    code = f"try: {script}\nexcept socket.gaierror as error: print(error.errno == socket.EAI_NONAME)"
    assert namespace.run(pod(namespace, "client", ["timeout", "10", "python3", "-c", code])) == "True\n"


@pytest.mark.own_node
def test_the_host_reaches_pods_services_and_node_ports(namespace: Namespace) -> None:
    start_web(namespace, replicas=2, service_type="NodePort")
    pods = web_pods(namespace)
    addresses = namespace.get(".items[*].status.podIP", "pods", "-l", "app=web").split()
    assert [who_answers(f"{address}:{PORT}") for address in addresses] == pods
    assert who_answers(namespace.get(".spec.clusterIP", "service", "web")) in pods
    node = namespace.get('.items[0].status.addresses[?(@.type=="InternalIP")].address', "nodes")
    assert who_answers(f"{node}:{namespace.get('.spec.ports[0].nodePort', 'service', 'web')}") in pods
