"""What tests run on the cluster: a small web server, who asks it, and single pods."""

from __future__ import annotations

from typing import Any

from namespaces import Namespace, Object

PORT = 8080
SERVER = f"""
import http.server, os, signal, socket, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        if self.path == "/hang":
            hung.append(True)
        if self.path == "/burn":
            sum(number * number for number in range(300000))
        while hung:
            time.sleep(1)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{{socket.gethostname()}} {{os.environ['EDITION']}}".encode())

hung = []
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer(("", {PORT}), Handler).serve_forever()
"""
"""Answers with its pod's name and its edition; can be made to exit, to hang, and to use the processor."""

OVER = "/tmp/over"
ASK = f"""
import os, sys, time, urllib.request

while not os.path.exists("{OVER}"):
    try:
        print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode(), flush=True)
    except OSError as error:
        print("failed:", error, flush=True)
    time.sleep(float(sys.argv[2]))
"""
"""Asks one address again and again, until there is the file OVER, and prints each answer."""


def pod(namespace: Namespace, name: str, command: list[str] | None, **container: Any) -> Object:
    """A pod that runs once; of the base image, unless told otherwise."""
    whole = {"name": "main", "image": namespace.image, **({"command": command} if command else {}), **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [whole]},
    }


def asking(namespace: Namespace, path: str, *, pause_seconds: float) -> Object:
    """A pod named "asking" that asks the web server's Service again and again."""
    return pod(namespace, "asking", ["python3", "-c", ASK, f"http://web{path}", str(pause_seconds)])


def start_web(
    namespace: Namespace, *, replicas: int = 1, edition: str = "one", service_type: str = "ClusterIP"
) -> None:
    """Starts the web server as Deployment and Service "web", or changes it; returns once it is rolled out."""
    probe = {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1}
    container = {
        "name": "main",
        "image": namespace.image,
        "command": ["python3", "-u", "-c", SERVER],
        "env": [{"name": "EDITION", "value": edition}],
        "readinessProbe": probe,
        "livenessProbe": {**probe, "failureThreshold": 2},
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},  # requests still come until all nodes know that it goes
        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}},
    }
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 3},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }
    ports = [{"port": 80, "targetPort": PORT}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": labels, "ports": ports, "type": service_type},
    }
    namespace.apply(deployment, service)
    await_rollout(namespace)


def await_rollout(namespace: Namespace) -> None:
    """Waits until the web server is what was asked for, and nothing else."""
    namespace("rollout", "status", "deployment/web", "--timeout=90s", timeout=120)


def web_pods(namespace: Namespace) -> list[str]:
    """Names of the web server's pods."""
    return namespace.get(".items[*].metadata.name", "pods", "-l", "app=web").split()


def ask_itself(namespace: Namespace, pod_name: str, path: str) -> str:
    """Asks the web server from its own pod, for at most a second."""
    script = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{PORT}{path}', timeout=1).read().decode())"
    return namespace.exec(pod_name, "--", "python3", "-c", script)
