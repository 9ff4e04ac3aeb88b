"""What the secured path costs: CPU time per request of all processes on it, beside its limits, in one run.

Printed side by side, for the iris model and a batch of one:
- the hand-written FastAPI app (`fastapi_app.py`), without gateway, token and docs;
- a bare Envoy in front of KEA's model server: the least that a hop and the model cost;
- KEA: token, access, routing, audit, validation, access log, model, over REST and gRPC, with one endpoint and with
  1,000, and with limits; the services' process is that of the audit log's receiver;
- what all of that costs in Envoy: what it takes more than the bare one;
- the time until Envoy has acknowledged a changed endpoint, with 1,000 endpoints.

The machine is shared: compare what stands in one run, and nothing across runs. Needs `wrk` and `h2load`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf import duration_pb2
from kea.inference.v2.open_inference_grpc_pb2 import ModelInferRequest
from kea.router.v1 import (
    data_plane_service_pb2,
    data_plane_service_pb2_grpc,
    endpoint_pb2,
    endpoint_service_pb2,
    limits_pb2,
)
from kea.router.v1 import endpoint_service_pb2_grpc as endpoints_grpc
from kea_gateway.envoy.binary import find_envoy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))
import load
from platforms import RunningPlatform, free_port, save_iris, start, stop, until

BODY = b'{"input": [[5.1, 3.5, 1.4, 0.2]]}'
MANY = 1000
CHANGES = 100
MOST_RATIO = 1.2
MOST_ACK_MS = 20.0
MOST_SECURITY_US = 35.0


@contextmanager
def fastapi(model: Path) -> Generator[tuple[str, int], None, None]:
    """Runs the hand-written app; yields its URL and pid."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--port", str(port), "--no-access-log"]
    command += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    environment = os.environ | {"IRIS_MODEL": str(model)}
    process = subprocess.Popen(command, cwd=Path(__file__).parent, env=environment)
    try:
        until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bare_envoy(upstream: str, scratch: Path) -> Generator[tuple[str, int], None, None]:
    """Runs an Envoy that does nothing but pass requests on; yields its URL and pid."""
    port = free_port()
    config = scratch / "bare.json"
    config.write_text(json.dumps(bare_config(port, upstream)))
    command = [find_envoy(os.environ), "-c", str(config), "--concurrency", "1", "-l", "error", "--disable-hot-restart"]
    process = subprocess.Popen([str(part) for part in command])
    try:
        until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


def bare_config(port: int, upstream: str) -> dict[str, Any]:
    """Returns the bootstrap of an Envoy that passes on what comes to `port`, and no more."""
    types = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "http_filters": [router],
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "model"}}]}
            ]
        },
    }
    address = {"pipe": {"path": upstream.removeprefix("unix:")}}
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                    "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "model",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "model",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ],
        }
    }


def listens(port: int) -> bool:
    """Returns whether something on this machine takes connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def infer_message() -> bytes:
    """Returns an `inference.ModelInferRequest` with one flower, raw."""
    tensor = ModelInferRequest.InferInputTensor(name="input", datatype="FP64", shape=[1, 4])
    content = struct.pack("<4d", 5.1, 3.5, 1.4, 0.2)
    request = ModelInferRequest(model_name="iris", inputs=[tensor], raw_input_contents=[content])
    return request.SerializeToString()


class Api:
    """The management API, for what the bench needs of it."""

    def __init__(self, platform: RunningPlatform) -> None:
        self._metadata = (("authorization", f"Bearer {platform.token}"),)
        channel = grpc.insecure_channel(f"127.0.0.1:{platform.port}")
        self._endpoints = endpoints_grpc.EndpointServiceStub(channel)
        self._data_plane = data_plane_service_pb2_grpc.DataPlaneServiceStub(channel)

    def create_many(self) -> None:
        """Makes the endpoints that are missing to `MANY`, all of the one deployment."""
        target = endpoint_pb2.Target(deployment="projects/default/deployments/iris-v1", weight=10_000)
        for number in range(1, MANY):
            request = endpoint_service_pb2.CreateEndpointRequest(
                parent="projects/default",
                endpoint_id=f"many-{number}",
                endpoint=endpoint_pb2.Endpoint(targets=[target]),
            )
            self._endpoints.CreateEndpoint(request, metadata=self._metadata, timeout=10)
        until(lambda: not self._get(f"many-{MANY - 1}").reconciling)

    def limit(self) -> None:
        """Gives iris limits that are never reached."""
        rate = limits_pb2.RateLimit(requests=1_000_000)
        limits = limits_pb2.Limits(total=rate, per_consumer=rate)
        endpoint = endpoint_pb2.Endpoint(name="projects/default/endpoints/iris", limits=limits)
        request = endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint)
        self._endpoints.UpdateEndpoint(request, metadata=self._metadata, timeout=10)
        until(lambda: not self._get("iris").reconciling)

    def change(self) -> None:
        """Changes an endpoint `CHANGES` times, each time when the one before has been acknowledged."""
        for number in range(CHANGES):
            endpoint = endpoint_pb2.Endpoint(
                name="projects/default/endpoints/many-500", timeout=duration_pb2.Duration(seconds=30 + number)
            )
            request = endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint)
            self._endpoints.UpdateEndpoint(request, metadata=self._metadata, timeout=10)
            until(lambda: not self._get("many-500").reconciling)

    def median_acknowledge_ms(self) -> float:
        """Returns the router's own figure, from publication to Envoy's acknowledgement."""
        request = data_plane_service_pb2.GetDataPlaneStatusRequest()
        status = self._data_plane.GetDataPlaneStatus(request, metadata=self._metadata, timeout=10)
        return status.median_acknowledge_duration.ToNanoseconds() / 1e6

    def _get(self, endpoint: str) -> endpoint_pb2.Endpoint:
        request = endpoint_service_pb2.GetEndpointRequest(name=f"projects/default/endpoints/{endpoint}")
        return self._endpoints.GetEndpoint(request, metadata=self._metadata, timeout=10)


def measure(scratch: Path) -> dict[str, float]:
    """Runs everything; prints each figure as it comes."""
    model, example = save_iris(scratch)
    found: dict[str, float] = {}

    def note(name: str, cost: load.Cost) -> load.Cost:
        found[name] = cost.total_us
        print(f"{name:42} {cost}", flush=True)
        if cost.failures or not cost.requests:
            sys.exit(f"{name}: requests failed")
        return cost

    headers = {"content-type": "application/json"}
    with fastapi(model) as (url, pid):
        note("FastAPI alone", load.rest(f"{url}/models/iris/predict", BODY, headers, {"app": pid}, scratch))
    platform = start(scratch / "data")
    try:
        platform.kea("models", "push", "iris", str(model), "--example", str(example))
        platform.kea("deploy", "iris")
        replica = replica_of(platform)
        processes = platform.processes()
        pids = {"envoy": processes["envoy"]["pid"], "model": int(replica["pid"])}
        with bare_envoy(str(replica["httpAddress"]), scratch) as (url, pid):
            bare = {"envoy": pid, "model": pids["model"]}
            hop = load.rest(f"{url}/models/iris/predict", BODY, headers, bare, scratch)
            note("bare Envoy + model server", hop)
        secured = headers | platform.headers
        typed, oip = f"{platform.url}/models/iris/predict", f"{platform.url}/inference.GRPCInferenceService/ModelInfer"
        note("KEA, REST, 1 endpoint", load.rest(typed, BODY, secured, pids, scratch))
        note("KEA, gRPC, 1 endpoint", load.grpc(oip, infer_message(), platform.headers, pids, scratch))
        api = Api(platform)
        began = time.monotonic()
        api.create_many()
        print(f"made {MANY - 1} endpoints in {time.monotonic() - began:.1f} s", flush=True)
        note(f"KEA, REST, {MANY} endpoints", load.rest(typed, BODY, secured, pids, scratch))
        note(f"KEA, gRPC, {MANY} endpoints", load.grpc(oip, infer_message(), platform.headers, pids, scratch))
        api.change()
        found["acknowledge_ms"] = api.median_acknowledge_ms()
        # Last: what has limits is not to be compared with what has none.
        api.limit()
        audited = pids | {"services": processes["auth"]["pid"]}
        limited = note(f"KEA, REST, {MANY} endpoints, limits", load.rest(typed, BODY, secured, audited, scratch))
        found["security_us"] = limited.cpu_us["envoy"] - hop.cpu_us["envoy"]
        found["hop_us"] = hop.cpu_us["envoy"]
        found["services_us"] = limited.cpu_us["services"]
    finally:
        stop(platform)
    with fastapi(model) as (url, pid):
        note("FastAPI alone, again", load.rest(f"{url}/models/iris/predict", BODY, headers, {"app": pid}, scratch))
    return found


def replica_of(platform: RunningPlatform) -> dict[str, Any]:
    """Returns the one replica of the iris model."""
    with httpx.Client(base_url=platform.url, headers=platform.headers, trust_env=False) as client:
        document = client.get("/api/v1/projects/default/deployments/iris-v1").json()
    return dict(document["replicas"][0])


def main() -> int:
    """Runs the benchmark; the exit code tells whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    for tool in ("wrk", "h2load"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed; on Debian: apt-get install wrk nghttp2-client")
    with tempfile.TemporaryDirectory(prefix="kea-bench-") as scratch:
        found = measure(Path(scratch))
    app = statistics.mean([found["FastAPI alone"], found["FastAPI alone, again"]])
    one, many = found["KEA, REST, 1 endpoint"], found[f"KEA, REST, {MANY} endpoints"]
    acknowledged, security = found["acknowledge_ms"], found["security_us"]
    hops = security / found["hop_us"]
    checks = [
        (f"REST with 1 endpoint costs {one / app:.2f} times FastAPI alone", one / app <= MOST_RATIO),
        (f"REST with {MANY} endpoints costs {many / app:.2f} times FastAPI alone", many / app <= MOST_RATIO),
        (
            f"token, access, limits, routing and logs cost {security:.0f} us in Envoy, {hops:.2f} bare hops",
            security <= MOST_SECURITY_US,
        ),
        (f"a change is acknowledged in {acknowledged:.1f} ms (median)", acknowledged < MOST_ACK_MS),
    ]
    print(f"the audit log's receiver took {found['services_us']:.0f} us per request")
    for sentence, holds in checks:
        print(f"{'ok  ' if holds else 'MISS'} {sentence}")
    return int(not all(holds for _, holds in checks))


if __name__ == "__main__":
    sys.exit(main())
