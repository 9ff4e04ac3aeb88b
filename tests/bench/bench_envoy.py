"""What each part of the gateway costs in Envoy: instructions of its worker per request, found by leaving it out.

callgrind counts what the processor is asked to do, and what else the machine does changes nothing of it: 0.5 % between
two runs, where CPU time differs by half. What the kernel does is not counted. An Envoy under it takes half a minute to
start, so all of it takes about eight. Needs `valgrind` and `h2load`.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import BODY, Api, bare_config, listens, replica_of
from kea_gateway.envoy.binary import find_envoy
from platforms import RunningPlatform, free_port, save_iris, start, stop, until
from still_envoy import Document, manager, routes_of, still

WARMING, MEASURED = 300, 1000
START_SECONDS = 240.0
LIMITS = ("kea.filters.http.concurrency", "envoy.filters.http.local_ratelimit", "kea.filters.http.project_limits")
CALLERS = ("envoy.filters.http.jwt_authn", "kea.filters.http.revocations", "envoy.filters.http.rbac")

Change = Callable[[Document], None]


def without_log(name: str) -> Change:
    """Leaves an access log out."""

    def change(document: Document) -> None:
        logs = manager(document)["access_log"]
        manager(document)["access_log"] = [log for log in logs if log["name"] != f"envoy.access_loggers.{name}"]

    return change


def without_filters(*names: str) -> Change:
    """Leaves filters out, and what the endpoint says of them."""

    def change(document: Document) -> None:
        found = manager(document)
        found["http_filters"] = [each for each in found["http_filters"] if each["name"] not in names]
        for host in routes_of(document, "iris")["virtual_hosts"]:
            for name in names:
                host.get("typed_per_filter_config", {}).pop(name, None)

    return change


PARTS: dict[str, Change] = {
    "audit log": without_log("open_telemetry"),
    "access log": without_log("file"),
    "token, revocation, access": without_filters(*CALLERS),
    "access alone": without_filters("envoy.filters.http.rbac"),
    "limits": without_filters(*LIMITS),
    "session cookies": without_filters("kea.filters.http.session"),
    "transcoder, switched off by the route": without_filters("envoy.filters.http.grpc_json_transcoder"),
}


def thousands(document: Document, token: str, scratch: Path) -> float:
    """Returns how many thousand instructions a call of iris takes an Envoy of that bootstrap."""
    port = free_port()
    document["static_resources"]["listeners"][0]["address"] = {
        "socket_address": {"address": "127.0.0.1", "port_value": port}
    }
    config = scratch / "still.json"
    config.write_text(json.dumps(document))
    envoy = [str(find_envoy(os.environ)), "-c", str(config), "--concurrency", "1", "-l", "off", "--disable-hot-restart"]
    counted = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch / 'callgrind.out'}", *envoy]
    process = subprocess.Popen(counted, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), START_SECONDS)
        call(port, token, WARMING, scratch)
        before = instructions(process.pid)
        call(port, token, MEASURED, scratch)
        return (instructions(process.pid) - before) / MEASURED / 1000
    finally:
        process.terminate()
        process.wait()


def call(port: int, token: str, count: int, scratch: Path) -> None:
    """Calls iris so many times.

    Raises:
        RuntimeError: a call failed.
    """
    body = scratch / "body.json"
    body.write_bytes(BODY)
    headers = ["-Hcontent-type: application/json", f"-Hauthorization: Bearer {token}"]
    url = f"http://127.0.0.1:{port}/models/iris/predict"
    command = ["h2load", "--h1", "-t1", "-c4", f"-n{count}", "-d", str(body), *headers, url]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    if f"{count} 2xx" not in output:
        problem = f"calls failed:\n{output}"
        raise RuntimeError(problem)


def instructions(pid: int) -> int:
    """Returns the instructions of all threads but the main one, so far."""
    command = ["callgrind_control", "-e", str(pid)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    threads = [int(found.replace(",", "")) for found in re.findall(r"Th \d+\s+([\d,]+)", output)]
    return sum(threads[1:])


def measure(platform: RunningPlatform, scratch: Path) -> None:
    """Prints what all of it takes, and how much less it is without each part."""
    whole = still(platform.data)
    bare = thousands(bare_config(0, str(replica_of(platform)["httpAddress"])), platform.token, scratch)
    print(f"{'bare Envoy':42} {bare:6.0f} thousand instructions", flush=True)
    all_of_it = thousands(copy.deepcopy(whole), platform.token, scratch)
    print(f"{'KEA':42} {all_of_it:6.0f}", flush=True)
    for name, change in PARTS.items():
        document = copy.deepcopy(whole)
        change(document)
        print(f"  {name:40} {all_of_it - thousands(document, platform.token, scratch):6.0f}", flush=True)


def main() -> None:
    """Runs the benchmark."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for tool in ("valgrind", "h2load"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed; on Debian: apt-get install valgrind nghttp2-client")
    with tempfile.TemporaryDirectory(prefix="kea-bench-") as directory:
        scratch = Path(directory)
        model, example = save_iris(scratch)
        platform = start(scratch / "data")
        try:
            platform.kea("models", "push", "iris", str(model), "--example", str(example))
            platform.kea("deploy", "iris")
            Api(platform).limit()
            measure(platform, scratch)
        finally:
            stop(platform)


if __name__ == "__main__":
    main()
