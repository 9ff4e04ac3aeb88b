"""What many deployments on a cluster cost the deployer, and the cluster's API: simulated nodes, everything else real.

Run by `make bench-cluster`, on the kit's own node (docs/cluster.md). auth and registry are `kea up`'s; the deployer is
a process of its own, on PostgreSQL. Deployments run a prebuilt image: building is measured elsewhere, and kwok runs no
container. For each number of deployments, printed side by side:
- the time until all of them serve, and the deployer's CPU time for one;
- calls of the Kubernetes API for one, but for watches, by what they do;
- what the deployer uses of a core while nothing happens;
- the time until all are gone, and calls for that.

Ends with 1 where CPU time for one grows with their number, or the idle deployer uses 2 % of a core or more.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc
from kea_core.testing.databases import postgresql_server
from kea_sdk.platform.layout import layout_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))
from platforms import RunningPlatform, free_port, save_iris, start, stop, until

KIT = Path(__file__).resolve().parent.parent / "cluster" / "cluster.py"
PODS_PER_NODE = 100
IDLE_SECONDS = 30.0
MOST_IDLE_PERCENT = 2.0
MOST_GROWTH = 1.5
"""CPU time for one of the most deployments, over that for one of the fewest."""
PATIENCE_SECONDS = 900.0
CALLS = re.compile(r'kea_kubernetes_requests_total\{code="(\w+)",method="(\w+)",resource="(\w+)"\} ([\d.e+]+)')
KWOK = "kwok.x-k8s.io/node"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a number of deployments cost."""

    count: int
    up_seconds: float
    up_cpu_seconds: float
    up_calls: dict[str, int]
    idle_percent: float
    down_seconds: float
    down_cpu_seconds: float
    down_calls: dict[str, int]


class Deployer:
    """The deployer under test."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, metrics: str, token: str) -> None:
        self._process = psutil.Process(process.pid)
        self._metrics = metrics
        self._metadata = (("authorization", f"Bearer {token}"),)
        self.stub = deployment_service_pb2_grpc.DeploymentServiceStub(grpc.insecure_channel(address))

    def cpu(self) -> float:
        """Returns CPU seconds used so far."""
        times = self._process.cpu_times()
        return times.user + times.system

    def calls(self) -> dict[str, int]:
        """Returns calls of the Kubernetes API so far, by what they do; calls that list or watch are not of one."""
        found: dict[str, int] = {}
        for code, method, _, count in CALLS.findall(httpx.get(self._metrics, trust_env=False).text):
            if method != "GET":
                name = method if code.startswith("2") else f"{method} {code}"
                found[name] = found.get(name, 0) + int(float(count))
        return found

    def create(self, name: str, version: str, image: str) -> None:
        """Begins to bring a deployment up on simulated nodes."""
        template = {"node_selector": {"type": "kwok"}, "tolerations": [{"key": KWOK}]}
        wanted: Any = {"model_version": version, "prebuilt_image": image, "pod_template": template}
        request = deployment_service_pb2.CreateDeploymentRequest(
            parent="projects/default",
            deployment_id=name,
            deployment=deployment_pb2.Deployment(**wanted),
            request_id=str(uuid.uuid4()),
        )
        self.stub.CreateDeployment(request, metadata=self._metadata, timeout=60)

    def delete(self, name: str) -> None:
        """Begins to take one down."""
        request = deployment_service_pb2.DeleteDeploymentRequest(name=f"projects/default/deployments/{name}")
        self.stub.DeleteDeployment(request, metadata=self._metadata, timeout=60)

    def until(self, done: Callable[[dict[str, Any]], bool]) -> None:
        """Follows all deployments until they are as they ought to be."""
        found: dict[str, Any] = {}
        request = deployment_service_pb2.WatchDeploymentsRequest()
        watch = self.stub.WatchDeployments(request, metadata=self._metadata, timeout=PATIENCE_SECONDS)
        for message in watch:
            if message.HasField("upserted"):
                found[message.upserted.name] = message.upserted
            elif message.HasField("deleted"):
                found.pop(message.deleted, None)
            elif done(found):
                watch.cancel()
                return
            if message.WhichOneof("change") and done(found):
                watch.cancel()
                return
        raise AssertionError


def measure(deployer: Deployer, version: str, image: str, count: int) -> Cost:
    """Brings deployments up and takes them down."""
    names = [f"d{number:05}" for number in range(count)]
    say(f"{count} deployments: up")
    with lasting(deployer) as up:
        for name in names:
            deployer.create(name, version, image)
        deployer.until(lambda found: len(found) == count and all(serves(one) for one in found.values()))
    say(f"{count} deployments: idle")
    with lasting(deployer) as idle:
        time.sleep(IDLE_SECONDS)  # what is measured is that nothing happens
    say(f"{count} deployments: down")
    with lasting(deployer) as down:
        for name in names:
            deployer.delete(name)
        deployer.until(lambda found: not found)
    idle_percent = 100 * idle["cpu"] / idle["seconds"]
    return Cost(
        *(count, up["seconds"], up["cpu"], up["calls"], idle_percent, down["seconds"], down["cpu"], down["calls"])
    )


def say(text: str) -> None:
    """Tells whoever waits what is under way."""
    print(text, file=sys.stderr, flush=True)


def serves(deployment: deployment_pb2.Deployment) -> bool:
    """Returns whether a deployment is as it is wanted."""
    return deployment.state == deployment_pb2.Deployment.STATE_ACTIVE and not deployment.reconciling


@contextmanager
def lasting(deployer: Deployer) -> Generator[dict[str, Any], None, None]:
    """Measures what the deployer does during the block."""
    told: dict[str, Any] = {}
    calls, cpu, begun = deployer.calls(), deployer.cpu(), time.monotonic()
    yield told
    told["seconds"], told["cpu"] = time.monotonic() - begun, deployer.cpu() - cpu
    told["calls"] = {name: count - calls.get(name, 0) for name, count in deployer.calls().items()}


@contextmanager
def running(
    platform: RunningPlatform, database: str, namespace: str, directory: Path
) -> Generator[Deployer, None, None]:
    """Runs a deployer for the cluster, beside a platform on this machine."""
    layout, port, registry = layout_of(platform.data), free_port(), os.environ["KEA_TEST_REGISTRY"]
    address = f"unix:{directory}/deployer.sock"
    settings = {
        "ADDRESS": address,
        "AUTH_ADDRESS": layout.socket("auth"),
        "REGISTRY_ADDRESS": layout.socket("registry"),
        "DATABASE_URL": database,
        "CREDENTIAL_FILE": str(layout.credential("deployer")),
        "DATA_DIRECTORY": str(directory / "data"),
        "PLATFORM": "kubernetes",
        "IMAGES_REPOSITORY": f"{registry}/models",
        "IMAGES_BASE": f"{registry}/debian:12",
        "IMAGES_PLAIN_HTTP": registry,
        "CLUSTER_KUBECONFIG": os.environ["KUBECONFIG"],
        "CLUSTER_NAMESPACE": namespace,
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KEA_")}
    environment |= {f"KEA_DEPLOYER_{key}": value for key, value in settings.items()}
    environment["KEA_METRICS_ADDRESS"] = f"127.0.0.1:{port}"
    metrics = f"http://127.0.0.1:{port}/metrics"
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "kea_deployer"], env=environment, stdout=log, stderr=log)
    try:
        deployer = Deployer(process, address, metrics, platform.token)
        until(lambda: _answers(metrics), 60)
        grpc.channel_ready_future(grpc.insecure_channel(address)).result(60)
        yield deployer
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


@contextmanager
def place() -> Generator[str, None, None]:
    """Makes a namespace for the pods."""
    name = f"kea-bench-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def kubectl(*arguments: str) -> None:
    """Runs kubectl."""
    subprocess.run(["kubectl", *arguments], check=True, stdout=subprocess.DEVNULL)


def simulate(count: int) -> None:
    """Makes simulated nodes."""
    subprocess.run([sys.executable, str(KIT), "simulate", str(count)], check=True)


def tell(costs: list[Cost]) -> int:
    """Prints what was measured; returns the exit code."""
    print("deployments  up: wall  CPU each  calls each  idle core  down: wall  CPU each  calls each")
    for cost in costs:
        up, down = sum(cost.up_calls.values()) / cost.count, sum(cost.down_calls.values()) / cost.count
        print(
            f"{cost.count:11}  {cost.up_seconds:6.1f} s  {1000 * cost.up_cpu_seconds / cost.count:5.1f} ms"
            f"  {up:10.1f}  {cost.idle_percent:7.2f} %"
            f"  {cost.down_seconds:8.1f} s  {1000 * cost.down_cpu_seconds / cost.count:5.1f} ms  {down:10.1f}"
        )
    for cost in costs:
        print(f"calls for {cost.count}: up {cost.up_calls}, down {cost.down_calls}")
    first, last = costs[0], costs[-1]
    growth = (last.up_cpu_seconds / last.count) / (first.up_cpu_seconds / first.count)
    idle = max(cost.idle_percent for cost in costs)
    print(f"CPU each, {last.count} over {first.count}: {growth:.2f} (at most {MOST_GROWTH})")
    print(f"idle: {idle:.2f} % of a core (less than {MOST_IDLE_PERCENT} %)")
    return int(growth > MOST_GROWTH or idle >= MOST_IDLE_PERCENT)


def main() -> int:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", nargs="*", type=int, default=[100, 300, 1000], help="how many deployments, in turn")
    counts: list[int] = parser.parse_args().counts
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kea")))
        database = stack.enter_context(postgresql_server())
        platform = start(directory / "kea")
        stack.callback(stop, platform)
        model, example = save_iris(directory)
        platform.kea("models", "push", "iris", str(model), "--example", str(example))
        simulate(max(counts) // PODS_PER_NODE + 1)
        stack.callback(simulate, 0)
        namespace = stack.enter_context(place())
        deployer = stack.enter_context(running(platform, database, namespace, directory))
        image = f"{os.environ['KEA_TEST_REGISTRY']}/debian:12"
        version = "projects/default/models/iris/versions/1"
        return tell([measure(deployer, version, image, count) for count in counts])


if __name__ == "__main__":
    sys.exit(main())
