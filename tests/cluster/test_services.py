from __future__ import annotations

import socket

import httpx
import pytest
from kit.commands import wait_until
from namespaces import Namespace
from workloads import PORT, pod, start_web, web_pods

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def who_answers(address: str) -> str:
    """Returns the name of the pod behind an address."""
    with httpx.Client(trust_env=False, timeout=5) as client:
        return client.get(f"http://{address}/").raise_for_status().text.split()[0]


def await_route(address: str) -> None:
    """Waits until a node takes connections to a Service: it learns of ready pods a little later than the rollout."""
    host, _, port = address.partition(":")

    def open_there() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    assert wait_until(open_there, 20), address


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
    service = f"{namespace.get('.spec.clusterIP', 'service', 'web')}:80"
    await_route(service)
    assert who_answers(service) in pods
    node = namespace.get('.items[0].status.addresses[?(@.type=="InternalIP")].address', "nodes")
    node_port = f"{node}:{namespace.get('.spec.ports[0].nodePort', 'service', 'web')}"
    await_route(node_port)
    assert who_answers(node_port) in pods
